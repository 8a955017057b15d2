package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// set is a set of IAM actions.
type set map[string]bool

func setOf(actions ...string) set {
	s := set{}
	for _, a := range actions {
		s[a] = true
	}
	return s
}

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

func join(sets ...set) set {
	out := set{}
	for _, s := range sets {
		maps.Copy(out, s)
	}
	return out
}

// otherwise has the calls whose action has another name (Service Authorization
// Reference). TransactWriteItems has none of its own: see transactions.
var otherwise = map[string]string{
	"s3:HeadObject":    "s3:GetObject",
	"s3:ListObjectsV2": "s3:ListBucket",
	"lambda:Invoke":    "lambda:InvokeFunction",
}

// callsOf returns the actions of the calls in a client interface.
func callsOf[Client any](t *testing.T, service string) set {
	client := reflect.TypeFor[Client]()
	require.Equal(t, reflect.Interface, client.Kind())
	s := set{}
	for i := range client.NumMethod() {
		action := service + ":" + client.Method(i).Name
		if other, ok := otherwise[action]; ok {
			action = other
		}
		s[action] = true
	}
	return s
}

// transactions returns the actions of what a package puts into transactions,
// by the fields that it sets in types.TransactWriteItem.
func transactions(t *testing.T, folder string) set {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	s := set{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isTransactItem(lit.Type) {
				return true
			}
			for _, e := range lit.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				require.True(t, ok, "%s: a transaction's item without field names", name)
				field := kv.Key.(*ast.Ident).Name
				if field != "ConditionCheck" {
					field += "Item"
				} else {
					field = "ConditionCheckItem"
				}
				s["dynamodb:"+field] = true
			}
			return true
		})
	}
	return s
}

func isTransactItem(e ast.Expr) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "TransactWriteItem"
}
