package resp

// A Protocol is what a client speaks. Both write most replies alike: the functions of
// append.go. The methods of a Protocol append those that RESP3 has kinds of their own for.
type Protocol int32

const (
	RESP2 Protocol = 2
	RESP3 Protocol = 3
)

// AppendNull appends what there is instead of a string.
func (p Protocol) AppendNull(dst []byte) []byte {
	if p == RESP3 {
		return append(dst, "_\r\n"...)
	}
	return append(dst, "$-1\r\n"...)
}

// AppendNullArray appends what there is instead of an array.
func (p Protocol) AppendNullArray(dst []byte) []byte {
	if p == RESP3 {
		return append(dst, "_\r\n"...)
	}
	return append(dst, "*-1\r\n"...)
}

// AppendMap appends the header of a map of n keys, each of which its value follows.
func (p Protocol) AppendMap(dst []byte, n int) []byte {
	if p == RESP3 {
		return appendHeader(dst, '%', int64(n))
	}
	return AppendArray(dst, 2*n)
}

// AppendSet appends the header of a set; its n elements follow.
func (p Protocol) AppendSet(dst []byte, n int) []byte {
	if p == RESP3 {
		return appendHeader(dst, '~', int64(n))
	}
	return AppendArray(dst, n)
}

// AppendTextHeader appends what comes before the n bytes of a text for people to read, a
// verbatim string; CR and LF follow those.
func (p Protocol) AppendTextHeader(dst []byte, n int) []byte {
	if p == RESP3 {
		return append(appendHeader(dst, '=', int64(len(textFormat)+n)), textFormat...)
	}
	return AppendBulkHeader(dst, n)
}

const textFormat = "txt:"

// TextHeaderSize is the most bytes that AppendTextHeader appends.
const TextHeaderSize = HeaderSize + len(textFormat)

// AppendPush appends the header of a message of n elements that answers no command. There
// are none in RESP2.
func AppendPush(dst []byte, n int) []byte {
	return appendHeader(dst, '>', int64(n))
}
