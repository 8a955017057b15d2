package killtest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

var (
	kills = flag.Int("kills", 12, "processes to kill")
	seed  = flag.Uint64("seed", 0, "seed of the run; 0 is random")

	property = flag.String("property", "", "a property of the table, as `name=value`: run with this only")
)

// modes are properties that say how the table is written.
var modes = []struct{ name, property string }{
	{"merge-on-read", "tidemark.write-mode=merge-on-read"},
	{"copy-on-write", "tidemark.write-mode=copy-on-write"},
	{"v3", "format-version=3"},
}

const config = `
source: {dir: landing}
state: control.db
warehouse: warehouse
lease: 300ms
retry: {attempts: 20, base: 5ms, max: 50ms}
layout: {dms: {}}
csv:
  full_columns: [id, name, seq]
  change_columns: [op, id, name, seq]
tables:
  - name: shop.orders
    key: id
    order_by: seq
    op: op
    batch: {files: 3}
    completion: {each_file: true} # two full loads may land between two listings
    columns: {id: long, name: string, seq: long}
    properties: {%q: %q}
`

// orders declares the same table for the model.
var orders = etl.Table{
	Name: "shop.orders", Key: []string{"id"}, OrderBy: []string{"seq"},
	Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
}

// shop is a landing folder, a lake, and the model of what the lake must hold.
type shop struct {
	*testing.T
	dir, command string
	seed         uint64
	random       *rand.Rand
	model        *etltest.Model
	landed       int
	seq          int64
	spent        time.Duration // the longest run that was not killed
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidemark-kill-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tidemark")
	out, err := exec.Command("go", "build", "-o", path, "github.com/tidemark-data/etl/cmd/tidemark").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		return // what is killed is the command itself: nothing for the race detector
	}
	code := m.Run()
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	for _, line := range account {
		fmt.Println(line)
	}
	os.Exit(code)
}

// account is what ran, for the end of the output.
var account []string

func open(t *testing.T, property string) *shop {
	command, err := build()
	require.NoError(t, err)
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	shop := &shop{T: t, seed: s, dir: t.TempDir(), command: command, random: rand.New(rand.NewPCG(s, 1)), model: etltest.NewModel(orders)}
	name, value, ok := strings.Cut(property, "=")
	require.True(t, ok, "-property is name=value")
	require.NoError(t, os.WriteFile(filepath.Join(shop.dir, "tidemark.yaml"), fmt.Appendf(nil, config, name, value), 0o600))
	return shop
}

// land puts a file into the folder at once, a second after the last one.
func (s *shop) land(name string, content []byte) {
	s.landed++
	folder := filepath.Join(s.dir, "landing", "shop", "orders")
	require.NoError(s, os.MkdirAll(folder, 0o755))
	temp := filepath.Join(folder, ".landing")
	require.NoError(s, os.WriteFile(temp, content, 0o600))
	at := time.Unix(int64(1_700_000_000+s.landed), 0)
	require.NoError(s, os.Chtimes(temp, at, at))
	require.NoError(s, os.Rename(temp, filepath.Join(folder, name)))
}

func (s *shop) landFull(rows int) {
	var b bytes.Buffer
	var all []etltest.Change
	for range rows {
		id := s.random.Int64N(int64(rows))
		name := fmt.Sprintf("full%d", s.random.IntN(1000))
		fmt.Fprintf(&b, "%d,%s,\n", id, name)
		all = append(all, etltest.Upsert(id, name, nil))
	}
	s.land(fmt.Sprintf("LOAD%08X.csv", s.landed+1), b.Bytes())
	_, err := s.model.Full(all...)
	require.NoError(s, err)
}

func (s *shop) landChanges(rows int) {
	var b bytes.Buffer
	var all []etltest.Change
	for range rows {
		id := s.random.Int64N(3000)
		s.seq++
		if s.random.IntN(4) == 0 {
			fmt.Fprintf(&b, "D,%d,,\n", id)
			all = append(all, etltest.Delete(id, nil, nil))
			continue
		}
		o := s.seq - s.random.Int64N(200)
		name := fmt.Sprintf("change%d", s.random.IntN(1000))
		fmt.Fprintf(&b, "U,%d,%s,%d\n", id, name, o)
		all = append(all, etltest.Upsert(id, name, o))
	}
	s.land(fmt.Sprintf("20240220-%09d.csv", 100_000_000+s.landed), b.Bytes())
	_, err := s.model.Apply(all...)
	require.NoError(s, err)
}

func (s *shop) landSomething() {
	for range 1 + s.random.IntN(4) {
		s.landChanges(50 + s.random.IntN(200))
	}
	if s.random.IntN(8) == 0 {
		s.landFull(1500)
	}
}

func (s *shop) start() (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(s.command, "-c", filepath.Join(s.dir, "tidemark.yaml"), "ingest")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(s, cmd.Start())
	return cmd, &out
}

// finish runs the command until it says that all is done.
func (s *shop) finish() {
	for try := 0; ; try++ {
		begun := time.Now()
		cmd, out := s.start()
		err := cmd.Wait()
		if err == nil {
			s.spent = max(s.spent, time.Since(begun))
			return
		}
		var exit *exec.ExitError
		require.ErrorAs(s, err, &exit)
		require.Contains(s, []int{1, 4}, exit.ExitCode(), "%s", out) // transient, or still locked by the dead
		require.Less(s, try, 60, "%s", out)
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *shop) check() {
	ctx := context.Background()
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(s.dir, "warehouse")})
	require.NoError(s, err)
	defer lake.Close()
	got, err := etltest.ReadRows(ctx, lake, orders.Name)
	require.NoError(s, err)
	if diff := s.model.Rows().Diff(got); diff != "" {
		s.Fatal(diff)
	}
}

// TestKill kills the command again and again, anywhere between its start and
// its end, while more files land, and compares the table with the model now and
// then.
func TestKill(t *testing.T) {
	if *property != "" {
		kill(t, *property, *kills)
		return
	}
	for i, mode := range modes {
		t.Run(mode.name, func(t *testing.T) { kill(t, mode.property, (*kills+i)/len(modes)) })
	}
}

func kill(t *testing.T, property string, kills int) {
	begun := time.Now()
	s := open(t, property)
	s.landFull(2000)
	s.landSomething()
	s.finish()
	s.check()
	killed, done := 0, 0
	for killed < kills {
		s.landSomething()
		for range 1 + s.random.IntN(3) {
			if s.killOne() {
				killed++
			} else {
				done++
			}
		}
		if s.random.IntN(5) == 0 {
			s.finish()
			s.check()
		}
	}
	s.finish()
	s.check()
	account = append(account, fmt.Sprintf("%-40s %4d killed, %4d ended by themselves, %4d files, %6.1f s, seed %d",
		property, killed, done, s.landed, time.Since(begun).Seconds(), s.seed))
}

// killOne starts the command and kills it anywhere before its end, if it lives so long.
func (s *shop) killOne() bool {
	cmd, _ := s.start()
	timer := time.AfterFunc(time.Duration(s.random.Int64N(int64(s.spent)+1)), func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if s.random.IntN(2) == 0 {
		time.Sleep(320 * time.Millisecond) // let the lease of the dead run out
	}
	var exit *exec.ExitError
	return errors.As(err, &exit) && !exit.Exited()
}

// TestProcesses lets several processes work on the same stores at the same time,
// and kills some of them.
func TestProcesses(t *testing.T) {
	for i, n := range []int{2, 4, 3} {
		mode := modes[i]
		t.Run(fmt.Sprintf("%d %s", n, mode.name), func(t *testing.T) {
			s := open(t, cmp.Or(*property, mode.property))
			s.landFull(2000)
			s.finish()
			for range 3 {
				s.landSomething()
				var cmds []*exec.Cmd
				for range n {
					cmd, _ := s.start()
					cmds = append(cmds, cmd)
				}
				s.landSomething()
				time.Sleep(time.Duration(s.random.Int64N(int64(s.spent) + 1)))
				_ = cmds[0].Process.Kill()
				for _, cmd := range cmds {
					_ = cmd.Wait()
				}
			}
			s.finish()
			s.check()
		})
	}
}
