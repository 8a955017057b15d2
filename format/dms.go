package format

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	etl "github.com/tidemark-data/etl"
)

// DMS is the layout of files that AWS Database Migration Service writes to S3
// (AWS DMS user guide, "Using Amazon S3 as a target"):
//
//	[folders/]schema/table/[folders/]LOAD00000001.csv         full load
//	[folders/]schema/table/[folders/]SEGMENT1_LOAD0000000A.csv full load in segments
//	[folders/]schema/table/[folders/]20240220-110825123.csv   changes
//
// The table is "schema.table", always from the depth that Folders tells and
// never from the folder that the file lies in, because date partitions,
// partitions and segments put folders of their own below the table.
//
// Full-load files are ordered by their counter, which is hexadecimal, then by
// their segment; change files by their time, whose digits DMS writes to the
// millisecond or a tenth of it. The extension is .csv or .json, with .gz or
// .zst where compressed, or .parquet.
//
// Files of transactions kept together hold rows of all tables
// ([etl.Placement.Mixed], [DMSTransactions]). They lie below a folder of their own,
// and are recognised where CdcPath names it:
//
//	cdcPath/[folders/]CDC_TXN-20240220110825123.csv           changes
type DMS struct {
	// Folders is the number of folders above the schema's: those of the
	// endpoint's bucketFolder or cdcPath.
	Folders int
	// LowerCase folds the names of schema and table to lower case, as Glue and
	// Athena do.
	LowerCase bool
	// CdcPath is the folder of transaction files (PreserveTransactions), with that
	// of bucketFolder in front, as "raw/changes"; empty is none.
	CdcPath string
}

var _ etl.Layout = DMS{}

// Place implements [etl.Layout].
func (d DMS) Place(location string) (etl.Placement, bool) {
	if p, ok := d.transactions(location); ok {
		return p, true
	}
	table, file, ok := d.split(location)
	if !ok {
		return etl.Placement{}, false
	}
	stem, ext, _ := strings.Cut(file, ".")
	if !dmsExtension(ext) {
		return etl.Placement{}, false
	}
	if order, ok := loadOrder(stem); ok {
		return etl.Placement{Table: table, Kind: etl.Full, Order: order}, true
	}
	if order, ok := changeOrder(stem); ok {
		return etl.Placement{Table: table, Kind: etl.Incremental, Order: order}, true
	}
	return etl.Placement{}, false
}

// transactions places a file of transactions.
func (d DMS) transactions(location string) (etl.Placement, bool) {
	folder := strings.Trim(d.CdcPath, "/")
	rest, below := strings.CutPrefix(location, folder+"/")
	if folder == "" || !below || !cleanPath(location) {
		return etl.Placement{}, false
	}
	stem, ext, _ := strings.Cut(rest[strings.LastIndexByte(rest, '/')+1:], ".")
	digits, named := strings.CutPrefix(stem, "CDC_TXN-")
	if !named || ext == "parquet" || !dmsExtension(ext) {
		return etl.Placement{}, false
	}
	order, ok := transactionOrder(digits)
	return etl.Placement{Mixed: true, Kind: etl.Incremental, Order: order}, ok
}

// transactionOrder reads yyyyMMddHHmmss and a fraction of three to six digits. What
// it makes compares with what changeOrder makes.
func transactionOrder(digits string) (string, bool) {
	if len(digits) < 17 || len(digits) > 20 {
		return "", false
	}
	order, ok := changeOrder(digits[:8] + "-" + digits[8:17])
	if len(digits) == 17 {
		return order, ok
	}
	return digits, ok && allDigits(digits[17:])
}

// split takes the table's name and the file's from the location.
func (d DMS) split(location string) (table, file string, ok bool) {
	parts := strings.Split(location, "/")
	if d.Folders < 0 || len(parts) < d.Folders+3 || !cleanPath(location) {
		return "", "", false
	}
	schema, name := parts[d.Folders], parts[d.Folders+1]
	if strings.Contains(name, ".") { // a.b/c and a/b.c would be one table
		return "", "", false
	}
	table = schema + "." + name
	if d.LowerCase {
		table = strings.ToLower(table)
	}
	return table, parts[len(parts)-1], true
}

// cleanPath reports whether a location is UTF-8 and none of its parts is empty or
// leads elsewhere.
func cleanPath(location string) bool {
	for p := range strings.SplitSeq(location, "/") {
		if p == "" || p == "." || p == ".." {
			return false
		}
	}
	return utf8.ValidString(location)
}

func dmsExtension(ext string) bool {
	switch ext {
	case "csv", "csv.gz", "csv.zst", "json", "json.gz", "json.zst", "parquet":
		return true
	}
	return false
}

// loadOrder reads [SEGMENTn_]LOADx with x of 3 to 8 hexadecimal digits.
func loadOrder(stem string) (string, bool) {
	var segment uint64
	if rest, ok := strings.CutPrefix(stem, "SEGMENT"); ok {
		digits, load, found := strings.Cut(rest, "_")
		if !found || !allDigits(digits) || len(digits) > 10 {
			return "", false
		}
		segment, _ = strconv.ParseUint(digits, 10, 64)
		stem = load
	}
	hex, ok := strings.CutPrefix(stem, "LOAD")
	if !ok || len(hex) < 3 || len(hex) > 8 || strings.ToUpper(hex) != hex {
		return "", false
	}
	counter, err := strconv.ParseUint(hex, 16, 64)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("%016d-%010d", counter, segment), true
}

// changeOrder reads yyyyMMdd-HHmmss and a fraction of three or four digits,
// which is padded on the right so that both sort by time.
func changeOrder(stem string) (string, bool) {
	date, clock, found := strings.Cut(stem, "-")
	if !found || len(date) != 8 || len(clock) < 9 || len(clock) > 10 || !allDigits(date) || !allDigits(clock) {
		return "", false
	}
	month, day := number(date[4:6]), number(date[6:8])
	if number(date[:4]) < 1 || month < 1 || month > 12 || day < 1 || day > monthDays(number(date[:4]), month) {
		return "", false
	}
	if number(clock[:2]) > 23 || number(clock[2:4]) > 59 || number(clock[4:6]) > 59 {
		return "", false
	}
	if len(clock) == 9 {
		clock += "0"
	}
	return date + clock, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// number is the value of a few decimal digits.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

func monthDays(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
