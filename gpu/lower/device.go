package lower

// Device is what lowering knows of a device.
type Device struct {
	Name     string
	Vendor   uint32 // PCI number
	Software bool   // a driver that computes on the processor

	Subgroup           int  // invocations of a subgroup unless one is required
	SubgroupMin        int  // least and most that can be required; Subgroup where none can
	SubgroupMax        int  //
	SubgroupSize       bool // a pipeline may require its subgroup size
	SubgroupArithmetic bool
	Dot                bool // dot products of four bytes a word
	DotFast            bool // and they are one instruction
	Matrices           []Matrix

	MaxStorageRange     int64 // bytes of one storage buffer binding
	MaxTexelElements    int64 // elements of one texel buffer binding
	MaxGroupInvocations int
	SharedMemory        int // bytes a workgroup
}

// Matrix is a product of two matrices of signed bytes that a subgroup computes, (M, K) × (K, N).
// Sums are int32 and can be made float32.
type Matrix struct{ M, N, K uint32 }

// matrix is the largest of the device's products that the kernel can use, zero where there
// is none.
func (d *Device) matrix() (best Matrix) {
	if !d.SubgroupSize && d.SubgroupMin != d.SubgroupMax || d.Subgroup < 2 {
		return best
	}
	size := func(n uint32) bool { return n == 8 || n == 16 || n == 32 }
	for _, m := range d.Matrices {
		if size(m.M) && size(m.N) && size(m.K) && m.M*m.N*m.K > best.M*best.N*best.K {
			best = m
		}
	}
	return best
}
