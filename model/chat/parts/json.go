package parts

// checker reads JSON a byte at a time (RFC 8259) and knows at each byte whether the
// text is still the beginning of one value. The zero value is ready.
type checker struct {
	state state
	stack []byte // open { and [
	isKey bool   // the string being read is a key
	word  string // what is left of true, false or null
	hex   int    // digits left of \uXXXX
}

type state uint8

const (
	atValue    state = iota // a value begins
	atFirst                 // after [: a value or ]
	atKeyOrEnd              // after {: a key or }
	atKey                   // after , in an object
	atColon
	atNext // after a value: , or the end of what it is in
	inString
	inEscape
	inHex
	inWord
	inMinus // numbers
	inZero
	inInt
	inPoint
	inFraction
	inExp
	inExpSign
	inExpInt
	atEnd // the value is complete
)

const maxDepth = 256

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// done reports whether the value, no number, is complete.
func (j *checker) done() bool { return j.state == atEnd }

// inString reports whether the next byte belongs to a string.
func (j *checker) inString() bool {
	return j.state == inString || j.state == inEscape || j.state == inHex
}

// step takes a byte and reports whether what has come is the beginning of a value; after
// its end only white space is.
func (j *checker) step(c byte) bool {
	switch j.state {
	case inString:
		switch {
		case c == '"':
			j.ended()
			if j.isKey {
				j.state, j.isKey = atColon, false
			}
		case c == '\\':
			j.state = inEscape
		default:
			return c >= 0x20
		}
		return true
	case inEscape:
		switch c {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			j.state = inString
		case 'u':
			j.state, j.hex = inHex, 4
		default:
			return false
		}
		return true
	case inHex:
		if !isDigit(c) && !('a' <= c|0x20 && c|0x20 <= 'f') {
			return false
		}
		if j.hex--; j.hex == 0 {
			j.state = inString
		}
		return true
	case inWord:
		if c != j.word[0] {
			return false
		}
		if j.word = j.word[1:]; j.word == "" {
			j.ended()
		}
		return true
	}
	if j.state >= inMinus && j.state <= inExpInt {
		if next, ok := inNumber(j.state, c); ok {
			j.state = next
			return true
		}
		if j.state != inZero && j.state != inInt && j.state != inFraction && j.state != inExpInt {
			return false
		}
		j.ended() // and c comes after the number
	}
	if isSpace(c) {
		return true
	}
	return j.token(c)
}

// token takes a byte that is outside of strings, words and numbers.
func (j *checker) token(c byte) bool {
	top := byte(0)
	if len(j.stack) > 0 {
		top = j.stack[len(j.stack)-1]
	}
	switch j.state {
	case atColon:
		j.state = atValue
		return c == ':'
	case atKey, atKeyOrEnd:
		if c == '"' {
			j.state, j.isKey = inString, true
			return true
		}
		return c == '}' && j.state == atKeyOrEnd && j.pop()
	case atNext:
		switch {
		case c == ',' && top == '{':
			j.state = atKey
		case c == ',' && top == '[':
			j.state = atValue
		case c == '}' && top == '{', c == ']' && top == '[':
			return j.pop()
		default:
			return false
		}
		return true
	case atFirst:
		if c == ']' {
			return j.pop()
		}
		fallthrough
	case atValue:
		return j.begin(c)
	}
	return false
}

// begin takes the first byte of a value.
func (j *checker) begin(c byte) bool {
	switch {
	case c == '{' || c == '[':
		if len(j.stack) == maxDepth {
			return false
		}
		j.stack = append(j.stack, c)
		j.state = atKeyOrEnd
		if c == '[' {
			j.state = atFirst
		}
	case c == '"':
		j.state = inString
	case c == 't':
		j.state, j.word = inWord, "rue"
	case c == 'f':
		j.state, j.word = inWord, "alse"
	case c == 'n':
		j.state, j.word = inWord, "ull"
	case c == '-':
		j.state = inMinus
	case c == '0':
		j.state = inZero
	case isDigit(c):
		j.state = inInt
	default:
		return false
	}
	return true
}

// ended is called after a value.
func (j *checker) ended() {
	j.state = atNext
	if len(j.stack) == 0 {
		j.state = atEnd
	}
}

func (j *checker) pop() bool {
	j.stack = j.stack[:len(j.stack)-1]
	j.ended()
	return true
}

// inNumber is the state after a byte of a number; false where c belongs to none.
func inNumber(s state, c byte) (state, bool) {
	digit, exp := isDigit(c), c|0x20 == 'e'
	switch {
	case s == inMinus && c == '0':
		return inZero, true
	case (s == inMinus || s == inInt) && digit:
		return inInt, true
	case (s == inZero || s == inInt) && c == '.':
		return inPoint, true
	case (s == inPoint || s == inFraction) && digit:
		return inFraction, true
	case (s == inZero || s == inInt || s == inFraction) && exp:
		return inExp, true
	case s == inExp && (c == '+' || c == '-'):
		return inExpSign, true
	case (s == inExp || s == inExpSign || s == inExpInt) && digit:
		return inExpInt, true
	}
	return s, false
}
