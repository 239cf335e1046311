package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"eclat/gpu/vk"
)

// ErrNoDevice says that there is no device, or none that Select may choose.
var ErrNoDevice = errors.New("no such Vulkan device")

// Devices describes every Vulkan device, software ones among them.
func Devices() ([]vk.Info, error) {
	infos, err := vk.Enumerate()
	if err != nil {
		return nil, fmt.Errorf("gpu: %w", err)
	}
	return infos, nil
}

// Select finds the device that spec asks for and says why it is that one.
//
//	auto, gpu, vulkan  the best: discrete, then integrated, then virtual, then the
//	                   most memory; a software device only with allowSoftware
//	vulkan:N           the device with that number
//	anything else      the best device whose name contains it, in any case
//
// Where there is none it returns ErrNoDevice or vk.ErrNoVulkan.
func Select(spec string, allowSoftware bool) (vk.Info, string, error) {
	infos, err := Devices()
	if err != nil {
		return vk.Info{}, "", err
	}
	return choose(infos, spec, allowSoftware)
}

func choose(infos []vk.Info, spec string, allowSoftware bool) (vk.Info, string, error) {
	none := func(format string, args ...any) (vk.Info, string, error) {
		var names []string
		for _, i := range infos {
			names = append(names, fmt.Sprintf("vulkan:%d %s (%s)", i.Index, i.Name, i.Type))
		}
		if len(names) == 0 {
			names = []string{"none"}
		}
		return vk.Info{}, "", fmt.Errorf("gpu: %s; there are: %s: %w", fmt.Sprintf(format, args...), strings.Join(names, ", "), ErrNoDevice)
	}
	if number, ok := strings.CutPrefix(spec, "vulkan:"); ok {
		n, err := strconv.Atoi(number)
		at := slices.IndexFunc(infos, func(i vk.Info) bool { return i.Index == n })
		if err != nil || at < 0 {
			return none("there is no device %q", spec)
		}
		return infos[at], "asked for by number", nil
	}
	var fit []vk.Info
	why := "the only device"
	switch spec {
	case "", "auto", "gpu", "vulkan":
		for _, i := range infos {
			if i.Type != vk.Software || allowSoftware {
				fit = append(fit, i)
			}
		}
		if len(fit) == 0 && len(infos) > 0 {
			return none("only software devices, which are used when asked for by name or number, or with ECLAT_ALLOW_SOFTWARE=1")
		}
	default:
		why = "asked for by name"
		for _, i := range infos {
			if strings.Contains(strings.ToLower(i.Name), strings.ToLower(spec)) {
				fit = append(fit, i)
			}
		}
	}
	if len(fit) == 0 {
		return none("no device for %q", spec)
	}
	slices.SortStableFunc(fit, func(a, b vk.Info) int {
		return cmp.Or(cmp.Compare(rank(b.Type), rank(a.Type)), cmp.Compare(DeviceMemory(b), DeviceMemory(a)))
	})
	if len(fit) > 1 {
		if a, b := fit[0], fit[1]; rank(a.Type) != rank(b.Type) {
			why = fmt.Sprintf("%s is preferred to %s", a.Type, b.Type)
		} else {
			why = fmt.Sprintf("%d MiB of memory, %s has %d", mib(DeviceMemory(a)), b.Name, mib(DeviceMemory(b)))
		}
	}
	return fit[0], why, nil
}

// rank orders the types of devices from the least wanted.
func rank(t vk.Type) int {
	return slices.Index([]vk.Type{vk.Software, vk.Other, vk.Virtual, vk.Integrated, vk.Discrete}, t)
}

// DeviceMemory is the size of the device's largest own memory, in bytes.
func DeviceMemory(i vk.Info) (size int64) {
	for _, h := range i.Heaps {
		if h.Device {
			size = max(size, h.Size)
		}
	}
	return size
}
