package shaders_test

import (
	"encoding/binary"
	"fmt"

	"eclat/loader/quant"
	"eclat/shaders"
)

// A kernel is found by its variant's name: here the product of one row with a weight of
// type Q4_K. Its SPIR-V is part of the program.
func ExampleFind() {
	v, spirv := shaders.Find("matvec_" + shaders.TypeName(quant.Q4_K))
	fmt.Println(v.Source, v.Storage, "storage buffers,", v.Texel, "texel buffers")
	fmt.Printf("%#x\n", binary.LittleEndian.Uint32(spirv)) // SPIR-V's magic number
	// Output:
	// op/matvec.comp 7 storage buffers, 0 texel buffers
	// 0x7230203
}
