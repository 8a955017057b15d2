package etltest_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// plainSink has no optional ability.
type plainSink struct{ applied []string }

func (s *plainSink) Apply(_ context.Context, _ etl.Target, l etl.Load, _ *etl.Changes) (etl.Receipt, error) {
	s.applied = append(s.applied, l.ID)
	return etl.Receipt{LoadID: l.ID}, nil
}

func (s *plainSink) Applied(_ context.Context, _ etl.Target, id string) (etl.Receipt, bool, error) {
	for _, a := range s.applied {
		if a == id {
			return etl.Receipt{LoadID: id, Found: true}, true, nil
		}
	}
	return etl.Receipt{}, false, nil
}

// The optional abilities of a sink, each by itself.
type (
	fencing     struct{ fence int64 }
	telling     struct{}
	maintaining struct{ rounds int }
)

func (s *fencing) Fence(_ context.Context, _ etl.Target, fence int64) error {
	s.fence = fence
	return nil
}

func (telling) Standing(context.Context, etl.Target) (etl.Standing, error) {
	return etl.Standing{Epoch: 3}, nil
}

// Maintain does something and then fails, as a busy table makes it.
func (s *maintaining) Maintain(context.Context, etl.Target, etl.MaintainOptions) (etl.MaintainReport, error) {
	s.rounds++
	return etl.MaintainReport{FreedFiles: s.rounds}, etl.ErrConflict
}

type fullSink struct {
	plainSink
	fencing
	telling
	maintaining
}

// combinations are sinks with every set of abilities.
func combinations() []etl.Sink {
	return []etl.Sink{
		&plainSink{},
		&struct {
			plainSink
			fencing
		}{},
		&struct {
			plainSink
			telling
		}{},
		&struct {
			plainSink
			maintaining
		}{},
		&struct {
			plainSink
			fencing
			telling
		}{},
		&struct {
			plainSink
			fencing
			maintaining
		}{},
		&struct {
			plainSink
			telling
			maintaining
		}{},
		&fullSink{},
	}
}

// abilities are the optional interfaces that an Injector lets through.
var abilities = map[string]func(any) bool{
	"Fencer":        func(s any) bool { _, ok := s.(etl.Fencer); return ok },
	"Witness":       func(s any) bool { _, ok := s.(etl.Witness); return ok },
	"Maintainer":    func(s any) bool { _, ok := s.(etl.Maintainer); return ok },
	"FenceRaiser":   func(s any) bool { _, ok := s.(etl.FenceRaiser); return ok },
	"Locator":       func(s any) bool { _, ok := s.(etl.Locator); return ok },
	"Stager":        func(s any) bool { _, ok := s.(etl.Stager); return ok },
	"Scanner":       func(s any) bool { _, ok := etl.Ability[etl.Scanner](s); return ok },
	"Eraser":        func(s any) bool { _, ok := etl.Ability[etl.Eraser](s); return ok },
	"SchemaPlanner": func(s any) bool { _, ok := etl.Ability[etl.SchemaPlanner](s); return ok },
	"Disposer":      func(s any) bool { _, ok := s.(etl.Disposer); return ok },
}

func TestInjectorPassesAbilities(t *testing.T) {
	inj := etltest.NewInjector()
	seen := map[string]bool{}
	for _, s := range combinations() {
		w, set := inj.Sink(s), ""
		for name, has := range abilities {
			require.Equal(t, has(s), has(w), "%s of %T", name, s)
			if has(s) {
				set += name[:1]
			}
		}
		seen[sortLetters(set)] = true
	}
	require.Len(t, seen, 8)
	require.True(t, abilities["Scanner"](inj.Sink(sink.NewMemory())))
	require.False(t, abilities["Scanner"](inj.Sink(&plainSink{})))
	require.True(t, abilities["Eraser"](inj.Sink(sink.NewMemory())))
	require.False(t, abilities["Eraser"](inj.Sink(&plainSink{})))
	require.True(t, abilities["FenceRaiser"](inj.Locker(lock.NewMemory())))
	require.False(t, abilities["FenceRaiser"](inj.Locker(struct{ etl.Locker }{lock.NewMemory()})))
	for _, s := range []etl.Source{
		struct{ etl.Source }{source.NewMemory()}, &tidying{Source: source.NewMemory()}, &located{Source: source.NewMemory()},
		&struct {
			*tidying
			etl.Locator
		}{&tidying{Source: source.NewMemory()}, &located{}},
	} {
		w := inj.Source(s)
		require.Equal(t, abilities["Disposer"](s), abilities["Disposer"](w))
		require.Equal(t, abilities["Locator"](s), abilities["Locator"](w))
	}
}

// located is a source whose files other engines find.
type located struct{ etl.Source }

func (*located) URI(_ context.Context, f etl.File) (string, error) {
	return "s3://raw/" + f.Location, nil
}

// tidying is a source with its optional ability.
type tidying struct {
	etl.Source
	disposed int
}

func (s *tidying) Disposes(etl.FileStatus) bool { return true }

func (s *tidying) Dispose(context.Context, etl.File, etl.FileStatus) error {
	s.disposed++
	return nil
}

func sortLetters(s string) (out string) {
	for _, l := range "FMW" {
		if strings.ContainsRune(s, l) {
			out += string(l)
		}
	}
	return out
}

// An optional ability that the root package declares and that the Injector does
// not know would vanish behind it.
func TestInjectorKnowsAllAbilities(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE || !strings.Contains(decl.Doc.Text(), "optional ability of") {
				continue
			}
			for _, kind := range []string{"[Sink]", "[Locker]", "[ControlStore]", "[Source]"} {
				if strings.Contains(decl.Doc.Text(), "optional ability of a "+kind) {
					found[decl.Specs[0].(*ast.TypeSpec).Name.Name] = true
				}
			}
		}
	}
	require.NotEmpty(t, found)
	for name := range found {
		require.Contains(t, abilities, name)
	}
	require.Len(t, found, len(abilities))
}

func TestAbilitiesHavePoints(t *testing.T) {
	inj, s := etltest.NewInjector(), &fullSink{}
	w := inj.Sink(s)
	require.NoError(t, w.(etl.Fencer).Fence(t.Context(), etl.Target{}, 7))
	require.Equal(t, int64(7), s.fence)
	st, err := w.(etl.Witness).Standing(t.Context(), etl.Target{})
	require.NoError(t, err)
	require.Equal(t, int64(3), st.Epoch)
	rep, err := w.(etl.Maintainer).Maintain(t.Context(), etl.Target{}, etl.MaintainOptions{})
	require.ErrorIs(t, err, etl.ErrConflict)
	require.Equal(t, 1, rep.FreedFiles, "what was done before the error is told")
	require.NoError(t, inj.Locker(lock.NewMemory()).(etl.FenceRaiser).RaiseFence(t.Context(), "x", 1))
	src := &tidying{Source: source.NewMemory()}
	require.NoError(t, inj.Source(src).(etl.Disposer).Dispose(t.Context(), etl.File{}, etl.Applied))
	require.Equal(t, 1, src.disposed)
	uri, err := inj.Source(&located{}).(etl.Locator).URI(t.Context(), etl.File{Location: "x"})
	require.NoError(t, err)
	require.Equal(t, "s3://raw/x", uri)
	require.Equal(t, []string{
		"sink.Fence/before", "sink.Fence/after", "sink.Standing/before", "sink.Standing/after",
		"sink.Maintain/before", "sink.Maintain/after", "locker.RaiseFence/before", "locker.RaiseFence/after",
		"source.Dispose/before", "source.Dispose/after", "source.URI/before", "source.URI/after",
	}, inj.Trace())
}

func TestFaultsAroundMaintenance(t *testing.T) {
	inj, s := etltest.NewInjector(), &fullSink{}
	w := inj.Sink(s).(etl.Maintainer)
	mine := errors.New("mine")
	inj.FailAt("sink.Maintain/before", 1, mine)
	inj.FailAt("sink.Maintain/after", 1, etltest.ErrCrash)
	_, err := w.Maintain(t.Context(), etl.Target{}, etl.MaintainOptions{})
	require.Equal(t, mine, err)
	require.Zero(t, s.rounds, "before: no effect")
	rep, err := w.Maintain(t.Context(), etl.Target{}, etl.MaintainOptions{})
	require.ErrorIs(t, err, etltest.ErrCrash)
	require.Zero(t, rep.FreedFiles, "after: nobody is told")
	require.Equal(t, 1, s.rounds, "after: effect")
	_, err = w.Maintain(t.Context(), etl.Target{}, etl.MaintainOptions{})
	require.ErrorIs(t, err, etltest.ErrCrash, "the dead do nothing")
	require.Equal(t, 1, s.rounds)
}
