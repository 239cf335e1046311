package vk

// Type is the kind of a device.
type Type uint8

const (
	Other      Type = iota // what the driver does not say
	Integrated             // shares the processor's memory
	Discrete               // a card with memory of its own
	Virtual                // a share of a device of the host
	Software               // a driver that computes on the processor
)

var typeNames = [...]string{"other", "integrated", "discrete", "virtual", "cpu"}

func (t Type) String() string { return typeNames[t] }

// Info describes a device. It holds no handle and stays valid.
type Info struct {
	Index         int // in the order of Enumerate
	Name          string
	Type          Type
	Driver        string // name and version as the driver gives them; may be empty
	DriverVersion uint32
	API           uint32 // version, as Vulkan packs it
	VendorID      uint32
	DeviceID      uint32
	UUID          [16]byte
	DriverUUID    [16]byte
	Heaps         []Heap
	Memory        []MemoryType
	Limits        Limits
	Features      Features
}

// Heap is one memory of a device, sizes in bytes.
type Heap struct {
	Size   int64
	Budget int64 // what this process may use; Size where the driver does not say
	Used   int64 // what this process uses; 0 where the driver does not say
	Device bool  // the device's own memory
}

// MemoryType is one way of using a heap.
type MemoryType struct {
	Heap     int
	Device   bool // fast for the device
	Visible  bool // can be mapped
	Coherent bool // needs no flush
	Cached   bool // fast for the host to read
}

// Limits are the device limits that kernels and layouts must keep to.
type Limits struct {
	MaxStorageRange     int64 // bytes of one storage buffer binding
	MaxTexelElements    int64 // elements of one texel buffer binding
	MaxAllocation       int64 // bytes of one memory allocation
	MaxBuffer           int64 // bytes of one buffer
	MaxAllocations      int   // memory allocations at once
	SharedMemory        int   // bytes a workgroup
	MaxPush             int   // bytes of push constants
	StorageAlign        int64 // bytes, of a storage binding's offset
	TexelAlign          int64 // bytes, of a texel binding's offset
	MaxGroups           [3]uint32
	MaxGroupSize        [3]uint32
	MaxGroupInvocations int
	Subgroup            int     // invocations of a subgroup unless one is required
	SubgroupMin         int     // least and most that can be required; Subgroup where none can
	SubgroupMax         int     //
	MaxStorageBindings  int     // storage buffers a set
	MaxTexelBindings    int     // texel buffers a set
	TimestampPeriod     float64 // nanoseconds a tick; 0 where the queue has no timestamps
	TimestampBits       int
	ComputeUnits        int // 0 where the driver does not say
}

// Features are the optional abilities that kernels may use. Open turns on all
// that the device has.
type Features struct {
	Storage8           bool // 8-bit values in storage buffers
	Storage16          bool // 16-bit values in storage buffers
	Float16            bool // 16-bit arithmetic
	Int8               bool
	Int16              bool
	Int64              bool
	IntDot             bool // packed 4×8-bit dot products
	IntDotFast         bool // and they are one instruction
	Coopmat            bool // VK_KHR_cooperative_matrix
	Coopmat2           bool // VK_NV_cooperative_matrix2
	SubgroupSize       bool // a pipeline may require its subgroup size
	SubgroupArithmetic bool
	SubgroupShuffle    bool
	SubgroupVote       bool
	MemoryBudget       bool // Heap.Budget is the driver's word
	MemoryModel        bool // the Vulkan memory model
	CoopmatShapes      []CoopmatShape
}

// CoopmatShape is one supported matrix product: (M, K) × (K, N) over a subgroup, of
// signed bytes with int32 sums; there are float32 sums of (M, N) too.
type CoopmatShape struct{ M, N, K uint32 }

// Options configures Open.
type Options struct {
	Validation bool                 // validation and synchronisation validation, where the layer is installed
	OnMessage  func(message string) // receives validation messages; may be called on any thread
	CacheDir   string               // folder of compiled pipelines; empty for none
}

// Use says what a buffer's memory must be good for. Any buffer can be bound as
// storage or texel buffer, hold indirect dispatch sizes and be copied from and to.
type Use uint8

const (
	OnDevice Use = iota // fast for the device; mapped where that costs nothing
	Upload              // mapped memory of the host, written in order and copied from
	Shared              // mapped, written by the host, read by kernels; the device's memory where it can be
	Readback            // mapped, written by the device, read by the host
)

var useNames = [...]string{"device", "upload", "shared", "readback"}

func (u Use) String() string { return useNames[u] }

// Layout is the interface of a pipeline: in descriptor set 0, bindings 0…Storage−1
// are storage buffers and the Texel bindings after them uniform texel buffers
// (usamplerBuffer, four 32-bit words an element); then push constants.
type Layout struct {
	Storage, Texel int
	PushWords      int // 32-bit words
}

// Binding is a range of a buffer. A range bound as texel buffer is a multiple of
// 16 bytes.
type Binding struct {
	Buffer *Buffer
	Offset int64 // bytes; a multiple of Limits.StorageAlign or TexelAlign
	Size   int64 // bytes
}
