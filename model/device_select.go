package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Choose finds the device that the user's words ask for, its index in infos, and
// says why it is that one; nothing where it was named.
//
//	auto, or nothing   the best GPU; where there is none the processor
//	gpu, vulkan        the best GPU; a software one only with allowSoftware
//	cpu, vulkan:N, …   the device of that ID
//	anything else      the best device whose name contains it, in any case
//
// The best is discrete, then integrated, virtual, other, and of these the one with
// the most memory; drivers without a GPU count for auto and gpu only with
// allowSoftware. Where nothing fits the error is an ErrNoDevice; it lists what there
// is where a device was named.
func Choose(infos []DeviceInfo, spec string, allowSoftware bool) (index int, why string, err error) {
	usable := func(d *DeviceInfo) bool { return d.GPU() && (d.Kind != Software || allowSoftware) }
	spec = strings.TrimSpace(spec)
	switch spec {
	case "", "auto":
		if i, why := best(infos, usable); i >= 0 {
			return i, why, nil
		}
		if i := slices.IndexFunc(infos, func(d DeviceInfo) bool { return d.Kind == Processor }); i >= 0 {
			return i, noGPU(infos), nil
		}
		return 0, "", fmt.Errorf("%w: %s", ErrNoDevice, noGPU(infos))
	case "gpu", "vulkan":
		if i, why := best(infos, usable); i >= 0 {
			return i, why, nil
		}
		return 0, "", fmt.Errorf("%w: %s", ErrNoDevice, noGPU(infos))
	}
	if i := slices.IndexFunc(infos, func(d DeviceInfo) bool { return strings.EqualFold(d.ID, spec) }); i >= 0 {
		return i, "", nil // nothing that the user does not know
	}
	part := strings.ToLower(spec)
	named := func(d *DeviceInfo) bool { return strings.Contains(strings.ToLower(d.Name), part) }
	if strings.HasPrefix(part, "vulkan:") {
		named = func(*DeviceInfo) bool { return false } // a number is not a name
	}
	if i, why := best(infos, named); i >= 0 {
		return i, "asked for by name; " + why, nil
	}
	return 0, "", missing(infos, fmt.Sprintf("there is no device %.30q", spec))
}

// best returns the most wanted of the devices that fit, −1 where none does.
func best(infos []DeviceInfo, fit func(*DeviceInfo) bool) (index int, why string) {
	var at []int
	for i := range infos {
		if fit(&infos[i]) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return -1, ""
	}
	slices.SortStableFunc(at, func(i, j int) int {
		a, b := &infos[i], &infos[j]
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(b.Memory, a.Memory))
	})
	if len(at) == 1 {
		return at[0], "the only one"
	}
	a, b := &infos[at[0]], &infos[at[1]]
	switch {
	case a.Kind != b.Kind:
		return at[0], fmt.Sprintf("%s is preferred to %s", a.Kind, b.Kind)
	case a.Memory != b.Memory:
		return at[0], fmt.Sprintf("%d MiB of memory, %s has %d", a.Memory>>20, b.ID, b.Memory>>20)
	}
	return at[0], "the first of equals"
}

// noGPU says why no GPU can be taken unasked.
func noGPU(infos []DeviceInfo) string {
	for i := range infos {
		if d := &infos[i]; d.Kind == Software {
			return fmt.Sprintf("no GPU; %s computes on the processor and is used when asked for, or with ECLAT_ALLOW_SOFTWARE=1", d.ID)
		}
	}
	return "no GPU"
}

// missing is the error of a device that is not there. It lists as many of those
// there are as one line has room for.
func missing(infos []DeviceInfo, what string) error {
	const room = 110 // characters
	list := ""
	for i := range infos {
		name := strings.TrimSpace(infos[i].ID + " " + infos[i].Name)
		if i > 0 {
			name = ", " + name
		}
		if i > 0 && utf8.RuneCountInString(list+name) > room {
			list += fmt.Sprintf(" and %d more", len(infos)-i)
			break
		}
		list += name
	}
	if list == "" {
		return fmt.Errorf("%w: %s", ErrNoDevice, what)
	}
	return fmt.Errorf("%w: %s; there are: %s", ErrNoDevice, what, list)
}
