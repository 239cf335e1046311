//go:build goexperiment.simd && amd64

#include "textflag.h"

// ARGUMENTS are those of all dots: sums in DI, w in SI, x in DX, steps in CX.
#define ARGUMENTS \
	MOVQ sums+0(FP), DI \
	MOVQ w+8(FP), SI \
	MOVQ x+16(FP), DX \
	MOVQ steps+24(FP), CX

#define ZERO4(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

// STEP4 adds the products of a step of row r to its four sums.
#define STEP4(r, s0, s1, s2, s3) \
	VBROADCASTI64X4 (512*r)(SI), Z28 \
	VPDPWSSD Z24, Z28, s0 \
	VPDPWSSD Z25, Z28, s1 \
	VPDPWSSD Z26, Z28, s2 \
	VPDPWSSD Z27, Z28, s3

// PUT4 writes the four sums of row r.
#define PUT4(r, s0, s1, s2, s3) \
	VMOVDQU64 s0, (256*r)(DI) \
	VMOVDQU64 s1, (256*r+64)(DI) \
	VMOVDQU64 s2, (256*r+128)(DI) \
	VMOVDQU64 s3, (256*r+192)(DI)

#define STEP3(r, s0, s1, s2) \
	VBROADCASTI64X4 (512*r)(SI), Z28 \
	VPDPWSSD Z24, Z28, s0 \
	VPDPWSSD Z25, Z28, s1 \
	VPDPWSSD Z26, Z28, s2

#define PUT3(r, s0, s1, s2) \
	VMOVDQU64 s0, (256*r)(DI) \
	VMOVDQU64 s1, (256*r+64)(DI) \
	VMOVDQU64 s2, (256*r+128)(DI)

#define STEP2(r, s0, s1) \
	VBROADCASTI64X4 (512*r)(SI), Z28 \
	VPDPWSSD Z24, Z28, s0 \
	VPDPWSSD Z25, Z28, s1

#define PUT2(r, s0, s1) \
	VMOVDQU64 s0, (256*r)(DI) \
	VMOVDQU64 s1, (256*r+64)(DI)

// STEP1 adds the products of two steps of row r to a sum each, so that a sum need not wait
// for the one before; PUT1 writes them as one.
#define STEP1(r, even, odd) \
	VBROADCASTI64X4 (512*r)(SI), Z28 \
	VBROADCASTI64X4 (512*r+32)(SI), Z29 \
	VPDPWSSD Z24, Z28, even \
	VPDPWSSD Z25, Z29, odd

#define PUT1(r, even, odd) \
	VPADDD odd, even, even \
	VMOVDQU64 even, (256*r)(DI)

// func dots4(sums, w, x at, steps int)
TEXT ·dots4(SB), NOSPLIT, $0-32
	ARGUMENTS
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)
	ZERO4(Z16, Z17, Z18, Z19)
	ZERO4(Z20, Z21, Z22, Z23)

loop4:
	VMOVDQU64 (DX), Z24
	VMOVDQU64 1024(DX), Z25
	VMOVDQU64 2048(DX), Z26
	VMOVDQU64 3072(DX), Z27
	STEP4(0, Z0, Z1, Z2, Z3)
	STEP4(1, Z4, Z5, Z6, Z7)
	STEP4(2, Z8, Z9, Z10, Z11)
	STEP4(3, Z12, Z13, Z14, Z15)
	STEP4(4, Z16, Z17, Z18, Z19)
	STEP4(5, Z20, Z21, Z22, Z23)
	ADDQ $32, SI
	ADDQ $64, DX
	DECQ CX
	JNZ loop4
	PUT4(0, Z0, Z1, Z2, Z3)
	PUT4(1, Z4, Z5, Z6, Z7)
	PUT4(2, Z8, Z9, Z10, Z11)
	PUT4(3, Z12, Z13, Z14, Z15)
	PUT4(4, Z16, Z17, Z18, Z19)
	PUT4(5, Z20, Z21, Z22, Z23)
	VZEROUPPER
	RET

// func dots3(sums, w, x at, steps int)
TEXT ·dots3(SB), NOSPLIT, $0-32
	ARGUMENTS
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)
	VPXORD Z16, Z16, Z16
	VPXORD Z17, Z17, Z17

loop3:
	VMOVDQU64 (DX), Z24
	VMOVDQU64 1024(DX), Z25
	VMOVDQU64 2048(DX), Z26
	STEP3(0, Z0, Z1, Z2)
	STEP3(1, Z3, Z4, Z5)
	STEP3(2, Z6, Z7, Z8)
	STEP3(3, Z9, Z10, Z11)
	STEP3(4, Z12, Z13, Z14)
	STEP3(5, Z15, Z16, Z17)
	ADDQ $32, SI
	ADDQ $64, DX
	DECQ CX
	JNZ loop3
	PUT3(0, Z0, Z1, Z2)
	PUT3(1, Z3, Z4, Z5)
	PUT3(2, Z6, Z7, Z8)
	PUT3(3, Z9, Z10, Z11)
	PUT3(4, Z12, Z13, Z14)
	PUT3(5, Z15, Z16, Z17)
	VZEROUPPER
	RET

// func dots2(sums, w, x at, steps int)
TEXT ·dots2(SB), NOSPLIT, $0-32
	ARGUMENTS
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)

loop2:
	VMOVDQU64 (DX), Z24
	VMOVDQU64 1024(DX), Z25
	STEP2(0, Z0, Z1)
	STEP2(1, Z2, Z3)
	STEP2(2, Z4, Z5)
	STEP2(3, Z6, Z7)
	STEP2(4, Z8, Z9)
	STEP2(5, Z10, Z11)
	ADDQ $32, SI
	ADDQ $64, DX
	DECQ CX
	JNZ loop2
	PUT2(0, Z0, Z1)
	PUT2(1, Z2, Z3)
	PUT2(2, Z4, Z5)
	PUT2(3, Z6, Z7)
	PUT2(4, Z8, Z9)
	PUT2(5, Z10, Z11)
	VZEROUPPER
	RET

// func dots1(sums, w, x at, steps int)
TEXT ·dots1(SB), NOSPLIT, $0-32
	ARGUMENTS
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)

loop1:
	VMOVDQU64 (DX), Z24
	VMOVDQU64 64(DX), Z25
	STEP1(0, Z0, Z6)
	STEP1(1, Z1, Z7)
	STEP1(2, Z2, Z8)
	STEP1(3, Z3, Z9)
	STEP1(4, Z4, Z10)
	STEP1(5, Z5, Z11)
	ADDQ $64, SI
	ADDQ $128, DX
	SUBQ $2, CX
	JNZ loop1
	PUT1(0, Z0, Z6)
	PUT1(1, Z1, Z7)
	PUT1(2, Z2, Z8)
	PUT1(3, Z3, Z9)
	PUT1(4, Z4, Z10)
	PUT1(5, Z5, Z11)
	VZEROUPPER
	RET

// func widen(dst, src at, n int)
TEXT ·widen(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VCVTPH2PS (SI), Z0
	VMOVUPS Z0, (DI)
	ADDQ $32, SI
	ADDQ $64, DI
	SUBQ $16, CX
	JNZ loop
	VZEROUPPER
	RET
