package pages

import "unsafe"

// view sees little-endian values as what they are. NewWriter refuses machines
// of another byte order.
func view[T int32 | int64 | float32 | float64](b []byte) []T {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(sizeOf(T(0))))
}

func sizeOf[T any](v T) uintptr { return unsafe.Sizeof(v) }

func littleEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}
