package quant_test

import (
	"fmt"

	"eclat/loader/quant"
)

// A block of Q8_0 is a scale, a half, and 32 signed bytes.
func ExampleDecode() {
	block := make([]byte, 34)
	block[1] = 0x38              // d = 0x3800, which is 0.5
	block[2], block[33] = 3, 254 // 254 is −2
	y := make([]float32, 32)
	quant.Decode(quant.Q8_0, y, block)
	fmt.Println(y[0], y[1], y[31])
	// Output: 1.5 0 -1
}

// Shapes are in elements, rows in bytes: 5120 elements of Q4_K take 2880.
func ExampleType_RowBytes() {
	fmt.Println(quant.Q4_K.RowBytes(5120))
	fmt.Println(quant.Q4_K.RowBytes(100)) // not whole blocks of 256
	// Output:
	// 2880 true
	// 0 false
}
