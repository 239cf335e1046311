package jinja

// expr is an expression.
type expr interface {
	eval(m *machine, s *scope) Value
}

// stmt is a part of a template's body.
type stmt interface {
	exec(m *machine, s *scope, out *builder) signal
}

// signal is how a statement ended.
type signal int

const (
	goesOn signal = iota
	breaks
	continues
)

// Expressions.
type (
	constExpr struct{ v Value }
	nameExpr  struct {
		name string
		line int
	}
	listExpr struct {
		items []expr
		tuple bool
	}
	dictExpr struct {
		keys, values []expr
	}
	binaryExpr struct {
		op   string
		a, b expr
		line int
	}
	unaryExpr struct {
		op   string
		a    expr
		line int
	}
	concatExpr  struct{ parts []expr }
	compareExpr struct {
		first expr
		ops   []string
		rest  []expr
		line  int
	}
	condExpr struct{ cond, then, other expr } // other may be nil
	attrExpr struct {
		of   expr
		name string
		line int
	}
	itemExpr struct {
		of, key expr
		line    int
	}
	sliceExpr struct{ from, to, step expr } // each may be nil
	callExpr  struct {
		f    expr
		args argExprs
		line int
	}
	filterExpr struct {
		of   expr // nil: the text of the block around
		name string
		args argExprs
		line int
	}
	testExpr struct {
		of   expr
		name string
		args argExprs
		line int
	}
	blockText struct{} // the text that a filter block filters
)

// argExprs are the arguments of a call.
type argExprs struct {
	pos   []expr
	names []string // of kw
	kw    []expr
}

// Statements.
type (
	textStmt   struct{ text string }
	outputStmt struct {
		e    expr
		line int
	}
	ifStmt struct {
		conds  []expr
		bodies [][]stmt
		other  []stmt
	}
	forStmt struct {
		target    expr
		iter      expr
		cond      expr // nil: all
		recursive bool
		body      []stmt
		other     []stmt
		line      int
	}
	setStmt struct {
		target expr
		value  expr
		line   int
	}
	setBlockStmt struct {
		target expr
		filter expr // over blockText; nil: none
		body   []stmt
		line   int
	}
	macroStmt struct {
		name string
		def  *macroDef
	}
	callStmt struct {
		def  *macroDef
		call *callExpr
	}
	filterStmt struct {
		filter expr // over blockText
		body   []stmt
	}
	withStmt struct {
		targets []expr
		values  []expr
		body    []stmt
		line    int
	}
	jumpStmt struct{ to signal }
)

// nsTarget is a namespace's attribute on the left of an assignment.
type nsTarget struct {
	ns, attr string
	line     int
}

// macroDef is what a macro's tag says.
type macroDef struct {
	name     string
	params   []string
	defaults []expr // of the last parameters
	body     []stmt
	caller   bool // the body uses caller, varargs, kwargs
	varargs  bool
	kwargs   bool
}
