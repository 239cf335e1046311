//go:build cgo && !novulkan

package vk

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// openTest opens the first device with validation on and fails the test on any
// message. It skips the test where there is no device.
func openTest(t *testing.T, opt Options) *Device {
	t.Helper()
	infos, err := Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	var lock sync.Mutex
	opt.Validation = true
	opt.OnMessage = func(m string) {
		lock.Lock()
		defer lock.Unlock()
		t.Errorf("validation: %s", m)
	}
	d, err := Open(infos[0], opt)
	if err != nil {
		t.Fatal(err)
	}
	if !d.Validating() {
		t.Log("the validation layer is not installed")
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestEnumerate(t *testing.T) {
	infos, err := Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	for _, i := range infos {
		t.Logf("%+v", i)
		if i.Name == "" || i.Limits.MaxStorageRange < 1<<27 || i.Limits.Subgroup == 0 || len(i.Heaps) == 0 || len(i.Memory) == 0 || i.Limits.MaxAllocation == 0 {
			t.Errorf("device %d: an empty field", i.Index)
		}
	}
}

func TestCopyAndTimestamps(t *testing.T) {
	d := openTest(t, Options{})
	up, err := d.NewBuffer("up", 4096, Upload)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := d.NewBuffer("dev", 4096, OnDevice)
	if err != nil {
		t.Fatal(err)
	}
	back, err := d.NewBuffer("back", 4096, Readback)
	if err != nil {
		t.Fatal(err)
	}
	if d.Memory() < 3*4096 {
		t.Errorf("%d bytes for three buffers of 4096", d.Memory())
	}
	for i := range up.Words() {
		up.Words()[i] = uint32(i * 7)
	}
	r, err := d.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	r.Timestamp(0)
	r.Copy(up, 0, dev, 0, 4096)
	r.Barrier()
	r.Fill(dev, 16, 4, 99)
	r.Barrier()
	r.Copy(dev, 0, back, 0, 4096)
	r.Timestamp(1)
	c, err := r.End()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := d.Submit(c); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range back.Words() {
		want := uint32(i * 7)
		if i == 4 {
			want = 99
		}
		if w != want {
			t.Fatalf("word %d is %d, want %d", i, w, want)
		}
	}
	if ts, err := c.Timestamps(nil); d.Info().Limits.TimestampBits > 0 && (err != nil || len(ts) != 2 || ts[1] < ts[0]) {
		t.Errorf("timestamps %v, %v", ts, err)
	}
	if n := testing.AllocsPerRun(20, func() {
		if err := d.Submit(c); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Submit allocates %v times", n)
	}
	dev.Close()
	if _, err := d.NewBuffer("huge", 1<<50, OnDevice); err == nil {
		t.Error("a buffer of a pebibyte was made")
	}
}

// doubleShader is SPIR-V, assembled here by hand: buffer[i] = 2·buffer[i] + push
// for i = the workgroup's number.
func doubleShader() []byte {
	w := []uint32{0x07230203, 0x00010000, 0, 30, 0}
	op := func(code uint32, args ...uint32) {
		w = append(w, append([]uint32{uint32(len(args)+1)<<16 | code}, args...)...)
	}
	op(17, 1)                      // Capability Shader
	op(14, 0, 1)                   // MemoryModel Logical GLSL450
	op(15, 5, 1, 0x6e69616d, 0, 2) // EntryPoint GLCompute %1 "main" %2
	op(16, 1, 17, 1, 1, 1)         // ExecutionMode LocalSize 1 1 1
	op(71, 2, 11, 26)              // Decorate %2 BuiltIn WorkgroupId
	op(71, 8, 6, 4)                // Decorate %8 ArrayStride 4
	op(72, 9, 0, 35, 0)            // MemberDecorate %9 0 Offset 0
	op(71, 9, 3)                   // Decorate %9 BufferBlock
	op(71, 11, 34, 0)              // Decorate %11 DescriptorSet 0
	op(71, 11, 33, 0)              // Decorate %11 Binding 0
	op(72, 12, 0, 35, 0)           // MemberDecorate %12 0 Offset 0
	op(71, 12, 2)                  // Decorate %12 Block
	op(19, 3)                      // TypeVoid
	op(33, 4, 3)                   // TypeFunction
	op(21, 5, 32, 0)               // TypeInt u32
	op(23, 6, 5, 3)                // TypeVector u32 3
	op(32, 7, 1, 6)                // TypePointer Input uvec3
	op(59, 7, 2, 1)                // Variable %2 Input
	op(29, 8, 5)                   // TypeRuntimeArray u32
	op(30, 9, 8)                   // TypeStruct %8
	op(32, 10, 2, 9)               // TypePointer Uniform %9
	op(59, 10, 11, 2)              // Variable %11 Uniform
	op(30, 12, 5)                  // TypeStruct u32
	op(32, 13, 9, 12)              // TypePointer PushConstant %12
	op(59, 13, 14, 9)              // Variable %14 PushConstant
	op(43, 5, 15, 0)               // Constant 0
	op(32, 16, 2, 5)               // TypePointer Uniform u32
	op(32, 17, 9, 5)               // TypePointer PushConstant u32
	op(54, 3, 1, 0, 4)             // Function main
	op(248, 18)                    // Label
	op(61, 6, 19, 2)               // Load workgroup id
	op(81, 5, 20, 19, 0)           // CompositeExtract x
	op(65, 16, 21, 11, 15, 20)     // AccessChain buffer[0][x]
	op(61, 5, 22, 21)              // Load
	op(65, 17, 23, 14, 15)         // AccessChain push
	op(61, 5, 24, 23)              // Load
	op(128, 5, 25, 22, 22)         // IAdd
	op(128, 5, 26, 25, 24)         // IAdd
	op(62, 21, 26)                 // Store
	op(253)                        // Return
	op(56)                         // FunctionEnd
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func TestDispatch(t *testing.T) {
	cache := t.TempDir()
	for round := range 3 {
		if round == 2 { // a damaged cache is ignored
			files, _ := filepath.Glob(filepath.Join(cache, "*.bin"))
			if len(files) != 1 {
				t.Fatalf("%d cache files, want 1", len(files))
			}
			data, _ := os.ReadFile(files[0])
			data[len(data)/2] ^= 0xff
			os.WriteFile(files[0], data, 0o644)
		}
		t.Run("", func(t *testing.T) {
			d := openTest(t, Options{CacheDir: cache})
			p, err := d.NewPipeline("double", doubleShader(), Layout{Storage: 1, PushWords: 1}, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			b, err := d.NewBuffer("b", 1024, Shared)
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.NewSet(p, []Binding{{b, 256, 256}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := d.NewRecorder()
			if err != nil {
				t.Fatal(err)
			}
			clear(b.Words())
			copy(b.Words(), []uint32{3, 1, 1})
			r.Dispatch(p, s, []uint32{5}, 4, 1, 1)
			r.Barrier()
			r.DispatchIndirect(p, s, []uint32{1}, b, 0)
			c, err := r.End()
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Submit(c); err != nil {
				t.Fatal(err)
			}
			for i, want := range []uint32{11, 11, 11, 5, 0} {
				if got := b.Words()[64+i]; got != want {
					t.Errorf("word %d is %d, want %d", i, got, want)
				}
			}
			// Many sets need several pools, and sets give their room back.
			for range 3 {
				var sets []*Set
				for range poolSets + 50 {
					s, err := d.NewSet(p, []Binding{{b, 0, 256}})
					if err != nil {
						t.Fatal(err)
					}
					sets = append(sets, s)
				}
				for _, s := range sets {
					s.Close()
				}
			}
			if len(d.pools) > 2 {
				t.Errorf("%d descriptor pools", len(d.pools))
			}
			if _, err := d.NewSet(p, []Binding{{b, 4, 256}}); err == nil {
				t.Error("an unaligned binding was taken")
			}
		})
	}
}

// TestValidationIsHeard: a missing barrier between two copies is reported, so that
// silence elsewhere means something.
func TestValidationIsHeard(t *testing.T) {
	infos, err := Enumerate()
	if err != nil || len(infos) == 0 {
		t.Skipf("no Vulkan device: %v", err)
	}
	var lock sync.Mutex
	var heard []string
	d, err := Open(infos[0], Options{Validation: true, OnMessage: func(m string) {
		lock.Lock()
		defer lock.Unlock()
		heard = append(heard, m)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !d.Validating() {
		t.Skip("the validation layer is not installed")
	}
	b, err := d.NewBuffer("b", 1024, OnDevice)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.NewBuffer("c", 1024, OnDevice)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	r.Copy(b, 0, c, 0, 512)
	r.Copy(c, 0, b, 512, 512)
	if _, err := r.End(); err != nil {
		t.Fatal(err)
	}
	lock.Lock()
	defer lock.Unlock()
	if len(heard) == 0 {
		t.Error("no message about a write after a write without a barrier")
	}
}
