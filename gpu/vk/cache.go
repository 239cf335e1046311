//go:build cgo && !novulkan

package vk

/*
#include "shim.h"
*/
import "C"

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"unsafe"

	vulkan "github.com/vulkan-go/vulkan"
)

// A cache file is the SHA-256 of the driver's data and then the data. Drivers check
// little more than whose data it is, so a damaged file must not reach them.

// cachePath names the device's cache file: another driver or version, another file.
func (d *Device) cachePath() string {
	h := sha256.New()
	h.Write(d.info.UUID[:])
	h.Write(d.info.DriverUUID[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, d.info.DriverVersion))
	fmt.Fprint(h, d.info.VendorID, d.info.DeviceID, d.info.Name, d.info.Driver)
	return filepath.Join(d.opt.CacheDir, "pipelines-"+hex.EncodeToString(h.Sum(nil)[:8])+".bin")
}

// mostCache bounds a pipeline cache that is read, in bytes.
const mostCache = 256 << 20

// openCache makes the pipeline cache, with what the file holds where it is sound.
func (d *Device) openCache() error {
	var data []byte
	if d.opt.CacheDir != "" {
		if file, err := ReadCache(d.cachePath(), mostCache); err == nil && len(file) > sha256.Size {
			if sum := sha256.Sum256(file[sha256.Size:]); bytes.Equal(sum[:], file[:sha256.Size]) {
				data = file[sha256.Size:]
			}
		}
	}
	var p unsafe.Pointer
	if len(data) > 0 {
		p = unsafe.Pointer(&data[0])
	}
	d.loaded = len(data)
	r := C.ev_cache(d.c, p, C.size_t(len(data)), &d.cache)
	if r != 0 && p != nil { // refused: begin anew
		d.loaded = 0
		r = C.ev_cache(d.c, nil, 0, &d.cache)
	}
	if r != 0 {
		return fail("vkCreatePipelineCache", d.info.Name, int32(r))
	}
	d.own(func() { vulkan.DestroyPipelineCache(d.handle, handle[vulkan.PipelineCache](d.cache), nil) })
	return nil
}

// saveCache writes the file anew where pipelines have been added, through a
// temporary file so that another process never reads half of it.
func (d *Device) saveCache() error {
	if d.opt.CacheDir == "" || d.cache == 0 {
		return nil
	}
	var size C.size_t
	if C.ev_cache_data(d.c, d.cache, &size, nil) != 0 || int(size) <= d.loaded {
		return nil
	}
	file := make([]byte, sha256.Size+int(size))
	if C.ev_cache_data(d.c, d.cache, &size, unsafe.Pointer(&file[sha256.Size])) != 0 {
		return nil // a cache is no reason to fail
	}
	file = file[:sha256.Size+int(size)]
	sum := sha256.Sum256(file[sha256.Size:])
	copy(file, sum[:])
	return WriteCache(d.cachePath(), file)
}
