package awstest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// GlueFault is what goes wrong with a call of [Glue].
type GlueFault uint8

const (
	// GlueNone lets the call pass.
	GlueNone GlueFault = iota
	// GlueThrottle answers ThrottlingException; the call has no effect.
	GlueThrottle
	// GlueDeny answers AccessDeniedException; the call has no effect.
	GlueDeny
	// GlueQuota answers ResourceNumberLimitExceededException; the call has no effect.
	GlueQuota
	// GlueFailBefore answers InternalServiceException (500); the call has no effect.
	GlueFailBefore
	// GlueFailAfter answers InternalServiceException (500) after the effect.
	GlueFailAfter
	// GlueLoseAnswer cuts the connection after the effect.
	GlueLoseAnswer
)

// GlueCall is one request to [Glue].
type GlueCall struct {
	// Op is the operation, as "UpdateTable".
	Op string
	// Database and Table are the names that the request gives; empty where it gives none.
	Database, Table string
	// SkipArchive is that of UpdateTable.
	SkipArchive bool
}

// Glue is the catalog of AWS Glue in memory: databases and tables, over the
// protocol that the SDK's client speaks (AWS JSON 1.1), so it is served by
// net/http/httptest and named as aws.Config.BaseEndpoint. As the service does,
// it folds names to lower case and refuses an update under a VersionId that is
// not the table's present one ("Web API Reference", UpdateTable). It is safe for
// concurrent use; set the exported fields before.
type Glue struct {
	// Fault is asked before each call; nil means that nothing goes wrong.
	Fault func(GlueCall) GlueFault
	// Page is how many databases or tables a page holds; 0 is 100, the most that
	// the service returns.
	Page int

	mu        sync.Mutex
	databases map[string]*glueDatabase // by catalog and name
	calls     []GlueCall
	archived  int
}

type glueDatabase struct {
	name   string
	fields map[string]any
	tables map[string]*glueTable
}

type glueTable struct {
	name    string
	fields  map[string]any
	version int
	updated time.Time
}

// glueRequest has what the supported operations read.
type glueRequest struct {
	CatalogID     string `json:"CatalogId"`
	DatabaseName  string
	Name          string
	DatabaseInput map[string]any
	TableInput    map[string]any
	VersionID     *string `json:"VersionId"`
	SkipArchive   bool
	NextToken     string
	MaxResults    int
}

// glueError is an answer that is an error.
type glueError struct {
	status        int
	code, message string
}

// NewGlue returns a catalog without databases.
func NewGlue() *Glue { return &Glue{databases: map[string]*glueDatabase{}} }

// Calls returns the calls so far.
func (g *Glue) Calls() []GlueCall {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// Archived returns how many old versions of tables were kept: those of updates
// that did not skip the archive.
func (g *Glue) Archived() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.archived
}

// ServeHTTP implements [http.Handler].
func (g *Glue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.")
	var req glueRequest
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if !ok || err != nil {
		glueAnswer(w, nil, &glueError{http.StatusBadRequest, "SerializationException", "not a request of AWS Glue"})
		return
	}
	call := GlueCall{Op: op, Database: req.DatabaseName, Table: req.Name, SkipArchive: req.SkipArchive}
	if name, ok := req.TableInput["Name"].(string); ok {
		call.Table = name
	}
	fault := GlueNone
	if g.Fault != nil {
		fault = g.Fault(call)
	}
	refusal := fault.refusal()
	var out map[string]any
	g.mu.Lock()
	g.calls = append(g.calls, call)
	if refusal == nil || fault == GlueFailAfter {
		var own *glueError
		if out, own = g.serve(op, req); own != nil {
			refusal = own
		}
	}
	g.mu.Unlock()
	if fault == GlueLoseAnswer {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection
	}
	glueAnswer(w, out, refusal)
}

func (f GlueFault) refusal() *glueError {
	switch f {
	case GlueThrottle:
		return &glueError{http.StatusBadRequest, "ThrottlingException", "Rate exceeded"}
	case GlueDeny:
		return &glueError{http.StatusBadRequest, "AccessDeniedException", "not authorized to perform this action"}
	case GlueQuota:
		return &glueError{http.StatusBadRequest, "ResourceNumberLimitExceededException", "number of tables exceeds the limit"}
	case GlueFailBefore, GlueFailAfter:
		return &glueError{http.StatusInternalServerError, "InternalServiceException", "internal failure"}
	}
	return nil
}

func glueAnswer(w http.ResponseWriter, out map[string]any, refusal *glueError) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if refusal != nil {
		w.Header().Set("X-Amzn-ErrorType", refusal.code)
		w.WriteHeader(refusal.status)
		out = map[string]any{"__type": refusal.code, "Message": refusal.message}
	}
	if out == nil {
		out = map[string]any{}
	}
	_ = json.NewEncoder(w).Encode(out) // the client is gone then
}

func (g *Glue) serve(op string, req glueRequest) (map[string]any, *glueError) {
	switch op {
	case "CreateDatabase", "GetDatabase", "GetDatabases", "UpdateDatabase", "DeleteDatabase":
		return g.serveDatabase(op, req)
	}
	db := g.databases[glueKey(req.CatalogID, req.DatabaseName)]
	if db == nil {
		return nil, glueNotFound("Database " + req.DatabaseName + " not found.")
	}
	switch op {
	case "CreateTable":
		return nil, db.create(req)
	case "UpdateTable":
		archive, err := db.update(req)
		if archive {
			g.archived++
		}
		return nil, err
	case "GetTables":
		return g.page(req, "TableList", slices.Sorted(maps.Keys(db.tables)), func(name string) any { return db.view(db.tables[name]) })
	}
	t := db.tables[strings.ToLower(req.Name)]
	if t == nil {
		return nil, glueNotFound("Entity Not Found")
	}
	switch op {
	case "GetTable":
		return map[string]any{"Table": db.view(t)}, nil
	case "DeleteTable":
		delete(db.tables, t.name)
		return nil, nil
	}
	return nil, &glueError{http.StatusBadRequest, "UnknownOperationException", op + " is not supported by this fake"}
}

func (g *Glue) serveDatabase(op string, req glueRequest) (map[string]any, *glueError) {
	name := req.Name
	if op == "CreateDatabase" {
		name, _ = req.DatabaseInput["Name"].(string)
	}
	key := glueKey(req.CatalogID, name)
	db := g.databases[key]
	switch {
	case op == "GetDatabases":
		prefix := glueKey(req.CatalogID, "")
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(g.databases)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
		return g.page(req, "DatabaseList", keys, func(key string) any { return g.databases[key].fields })
	case op == "CreateDatabase" && db != nil:
		return nil, &glueError{http.StatusBadRequest, "AlreadyExistsException", "Database already exists."}
	case op != "CreateDatabase" && db == nil:
		return nil, glueNotFound("Database " + name + " not found.")
	}
	switch op {
	case "CreateDatabase":
		name = strings.ToLower(name)
		req.DatabaseInput["Name"] = name
		g.databases[key] = &glueDatabase{name: name, fields: req.DatabaseInput, tables: map[string]*glueTable{}}
	case "UpdateDatabase":
		req.DatabaseInput["Name"] = db.name
		db.fields = req.DatabaseInput
	case "DeleteDatabase":
		delete(g.databases, key)
	default:
		return map[string]any{"Database": db.fields}, nil
	}
	return nil, nil
}
