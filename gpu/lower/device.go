package lower

// Device is what lowering knows of a device.
type Device struct {
	Name     string
	Software bool // a driver that computes on the processor

	Subgroup           int  // invocations of a subgroup unless one is required
	SubgroupMin        int  // least and most that can be required; Subgroup where none can
	SubgroupMax        int  //
	SubgroupSize       bool // a pipeline may require its subgroup size
	SubgroupArithmetic bool
	Dot                bool // dot products of four bytes a word
	DotFast            bool // and they are one instruction

	MaxStorageRange     int64 // bytes of one storage buffer binding
	MaxTexelElements    int64 // elements of one texel buffer binding
	MaxGroupInvocations int
	SharedMemory        int // bytes a workgroup
}
