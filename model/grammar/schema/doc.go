// Package schema reads a JSON Schema (draft 2020-12, and what OpenAI's structured output takes
// of it) into rules for package pda.
//
// Supported: type (a name or a list), enum, const, properties, required,
// additionalProperties, minProperties and maxProperties in simple cases, items, prefixItems,
// minItems, maxItems, minLength, maxLength, pattern, format, minimum, maximum,
// exclusiveMinimum, exclusiveMaximum, multipleOf, anyOf, allOf where it can be merged, oneOf
// where its branches exclude one another, $ref into the same document, recursion included,
// $defs. Every other keyword that asserts something is an error that names its path; nothing
// is ignored but annotations.
//
// Every value that satisfies the schema can be written, but not in every spelling:
//
//   - at most one space or line end stands between tokens, none before : and , or around all;
//   - properties come in the order of the schema, others behind them;
//   - strings held to a pattern, a format or a list are written without needless escapes;
//   - numbers have at most two digits of exponent, and none where they are bounded; an
//     integer has neither exponent nor fraction;
//   - formats take the common form of each; see formats.go.
//
// A name that repeats among additional properties cannot be ruled out.
//
//	value.go     JSON, its order kept
//	compile.go   one schema: references, combinations, types
//	object.go, array.go, strings.go, number.go   one type each
//	merge.go     two schemas as one
//	disjoint.go  whether two schemas exclude one another
package schema
