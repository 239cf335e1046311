package backendtest

import (
	"eclat/model"
	"eclat/model/rows"
)

// Rounding is a device of this machine to which rows travel in a format, as to another: a
// chain of them is one process that rounds where a ring with the same cuts does.
func Rounding(d model.Device, f rows.Format) model.Device { return rounding{d, f} }

type rounding struct {
	model.Device
	rows rows.Format
}

func (d rounding) Info() model.DeviceInfo {
	info := d.Device.Info()
	info.Rows = d.rows
	return info
}
