#include "lib/levels.glsl"

// The levels of MXFP4 and NVFP4, numbers of four bits (E2M1) doubled:
//
//	0 1 2 3 | 4 6 8 12 | 0 −1 −2 −3 | −4 −6 −8 −12
const uvec4 levels_fp4 = uvec4(0x03020100u, 0x0c080604u, 0xfdfeff00u, 0xf4f8fafcu);
