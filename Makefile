# The targets that CI calls too (.ci/run).
GO      ?= go
BIN     := $(CURDIR)/bin
LINT    := $(BIN)/golangci-lint
LINT_VERSION := v2.5.0
SEEDS   ?= 1000
KILLS   ?= 200
MAINTENANCE ?= 60
MAINTENANCE_LOADS ?= 240

.PHONY: all build test vet lint race fuzz torture kill stagekill maintenance spark differential interop integration chicago lambda deploy-check bench-peers bench-memory bench-transforms

all: build test lint

build:
	$(GO) build ./...

test:
	$(GO) test ./...

vet:
	$(GO) vet ./...
	$(GO) vet -tags interop ./interop/
	$(GO) vet -tags spark ./dispatch/... ./internal/differential ./examples/spark
	$(GO) vet -tags integration ./integration/

lint: $(LINT) vet
	$(LINT) run ./...
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }

$(LINT):
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

# Race detector over everything that is concurrent: not where no goroutine is started
# and nothing shared but pools, nor where a whole history is played in one process
# that internal/torture plays, too.
SINGLE_THREADED := /(bench|examples|interop|integration|profile|format/(avro|parquet)format|check/hllcheck|transform/(expr|nfctransform)|dispatch/(emrdispatch|gluedispatch|s3store|sparkjob)|control/internal|quarantine/internal|internal/(cells|celltext|chicago|ci|config|differential|dynamo|evolution|formats|killtest|pages|ranking|rowkey|scanned|spill|textconv))(/|$$)
race:
	$(GO) test -race -short $$($(GO) list ./... | grep -vE '$(SINGLE_THREADED)')

# Each fuzz target for FUZZTIME.
FUZZTIME ?= 20s
fuzz:
	GO="$(GO)" FUZZTIME=$(FUZZTIME) sh internal/ci/fuzz.sh

# Randomised histories against the reference model: SEEDS in memory, a sixth of
# that in each mode of the Iceberg sink (merge-on-read, copy-on-write, auto,
# format version 3, and with a memory budget of one byte), a twelfth with
# maintenance after every load. Inside the package go test shows what it prints.
EVERY ?= 1
torture:
	$(GO) test -C internal/torture -count=1 -timeout 30m -args -every $(EVERY) -lakesteps 20 -seeds $(SEEDS) -lakeseeds $$(( ($(SEEDS) + 5) / 6 ))

# kill -9 of the real command at random moments, split over merge-on-read,
# copy-on-write and format version 3.
kill:
	$(GO) test -C internal/killtest -count=1 -timeout 30m -args -kills $(KILLS)

# A full load of STAGEFILES files, staged by several processes of which STAGEKILLS
# are killed, while a reader looks all the time.
STAGEKILLS ?= 50
STAGEFILES ?= 200
stagekill:
	$(GO) test -C internal/killtest -count=1 -timeout 30m -run TestStagedKill -args -stagekills $(STAGEKILLS) -stagefiles $(STAGEFILES)

# The Spark job on real Spark, which it installs (Java 17 and Python 3.11 or later).
spark:
	bash interop/setup.sh
	bash dispatch/sparkjob/setup.sh
	$(GO) test -tags spark -count=1 -timeout 20m ./dispatch/sparkjob/... ./dispatch/sparkdispatch/... ./examples/spark/...

# The same histories in process and on Spark. With SHORT=-short less is submitted.
DIFFERENTIAL ?= 50
differential:
	bash interop/setup.sh
	bash dispatch/sparkjob/setup.sh
	$(GO) test -C internal/differential -tags spark $(SHORT) -count=1 -timeout 60m -args -seeds $(DIFFERENTIAL)

# A writer, maintenance and readers side by side for MAINTENANCE seconds.
maintenance:
	$(GO) test -C sink/icebergsink -count=1 -timeout 30m -run TestMaintainBesideLoads -args -maintain.for $(MAINTENANCE)s -maintain.loads $(MAINTENANCE_LOADS)

# Every table read back by PyIceberg, DuckDB, Spark and ClickHouse, with at most
# FILTERS filtered counts each; 0 is all of them.
FILTERS ?= 0
interop:
	bash interop/setup.sh
	$(GO) test -tags interop -count=1 -timeout 20m ./interop/ -args -filters $(FILTERS)

# Every test that needs servers, which it installs: versitygw, toxiproxy, moto,
# fauxqs, Iceberg's REST catalog. TIDEMARK_DYNAMODB_LOCAL=1 accepts the licence of
# DynamoDB Local.
integration:
	GO="$(GO)" bash integration/run.sh

# A year of real crime reports through the command (needs the data).
chicago:
	$(GO) test ./internal/chicago/ -count=1 -timeout 30m -v

# The Lambda function for arm64, as a zip file to deploy.
lambda:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -tags lambda.norpc -trimpath -ldflags='-s -w' -o $(BIN)/lambda/bootstrap ./examples/lambda
	rm -f $(BIN)/tidemark-lambda.zip
	cd $(BIN)/lambda && zip -q -X ../tidemark-lambda.zip bootstrap

# The CloudFormation templates, by AWS's linter.
deploy-check:
	bash examples/lambda/deploy/check.sh

# Tidemark and its peers on the same work (some ten minutes on a quiet machine).
bench-peers:
	bash bench/setup.sh
	$(GO) build -o $(BIN)/bench ./bench
	$(BIN)/bench peers

# 50M-row full load and 20M changes under a budget of 256 MiB.
bench-memory:
	$(GO) build -o $(BIN)/bench ./bench
	$(BIN)/bench memory

# Five transforms against none: throughput as a ratio, allocations a row.
bench-transforms:
	$(GO) test -C bench -run '^$$' -bench Transforms -benchtime 11x .
