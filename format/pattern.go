package format

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	etl "github.com/tidemark-data/etl"
)

// OrderAs says how the groups in a rule's order are compared.
type OrderAs uint8

const (
	// OrderText compares groups as they stand.
	OrderText OrderAs = iota
	// OrderDecimal compares groups as decimal numbers: 9 before 10.
	OrderDecimal
	// OrderHex compares groups as hexadecimal numbers of either case.
	OrderHex
)

// numberWidth is the width that numbers in orders are padded to. It holds the 35
// digits of a DMS change sequence.
const numberWidth = 40

// Rule is one rule of a [Pattern].
type Rule struct {
	// Match is a regular expression, in the syntax of package regexp, that the
	// whole location must match.
	Match string
	// Table is the table's name. ${name} and ${1} stand for groups of Match.
	Table string
	// Mixed says that the files hold rows of several tables
	// ([etl.Placement.Mixed]). Table is then empty, and Kind etl.Incremental.
	Mixed bool
	// Kind is etl.Full or etl.Incremental.
	Kind etl.LoadKind
	// Order is the file's place among those of its table and kind, with groups
	// like Table. Empty leaves the order to the location.
	Order string
	// OrderAs says how the groups in Order are compared. Numbers are padded on
	// the left to 40 digits, a group that took no part is 0; longer numbers, and
	// text that is none, make the location one that is not recognised.
	OrderAs OrderAs
}

// Pattern is a layout of rules, of which the first that matches wins. It is made
// by [NewPattern].
type Pattern struct {
	rules []compiledRule
}

type compiledRule struct {
	match        *regexp.Regexp
	table, order template
	mixed        bool
	kind         etl.LoadKind
	orderAs      OrderAs
}

var _ etl.Layout = (*Pattern)(nil)

// NewPattern compiles rules. Its error names every rule that is wrong, counted
// from 1.
func NewPattern(rules ...Rule) (*Pattern, error) {
	p := &Pattern{}
	var errs []error
	for i, r := range rules {
		c, err := compileRule(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %d: %w", i+1, err))
			continue
		}
		p.rules = append(p.rules, c)
	}
	if len(rules) == 0 {
		errs = append(errs, errors.New("pattern has no rules"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

func compileRule(r Rule) (c compiledRule, err error) {
	if _, err = regexp.Compile(r.Match); err != nil { // by itself: "a)|(b" would slip out of the group below
		return c, fmt.Errorf("match: %w", err)
	}
	if c.match, err = regexp.Compile(`\A(?:` + r.Match + `)\z`); err != nil {
		return c, fmt.Errorf("match: %w", err)
	}
	if c.table, err = parseTemplate(r.Table, c.match); err != nil {
		return c, fmt.Errorf("table: %w", err)
	}
	if c.order, err = parseTemplate(r.Order, c.match); err != nil {
		return c, fmt.Errorf("order: %w", err)
	}
	switch {
	case r.Mixed && (r.Table != "" || r.Kind == etl.Full):
		return c, errors.New("files of several tables have no table, and are incremental")
	case r.Table == "" && !r.Mixed:
		return c, errors.New("table is empty")
	case r.Kind != etl.Full && r.Kind != etl.Incremental:
		return c, errors.New("kind is neither full nor incremental")
	case r.OrderAs > OrderHex:
		return c, errors.New("order is compared neither as text, decimal nor hex")
	}
	c.mixed, c.kind, c.orderAs = r.Mixed, r.Kind, r.OrderAs
	return c, nil
}

// Place implements [etl.Layout].
func (p *Pattern) Place(location string) (etl.Placement, bool) {
	for _, r := range p.rules {
		groups := r.match.FindStringSubmatch(location)
		if groups == nil {
			continue
		}
		table, _ := r.table.expand(groups, OrderText)
		order, ok := r.order.expand(groups, r.orderAs)
		if !ok || !r.mixed && !tableName(table) {
			return etl.Placement{}, false
		}
		return etl.Placement{Table: table, Mixed: r.mixed, Kind: r.kind, Order: order}, true
	}
	return etl.Placement{}, false
}

// tableName reports whether no part of the dotted name is empty.
func tableName(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
	}
	return true
}

// template is text with groups in between: literal, group, literal, ..., literal.
type template struct {
	literals []string
	groups   []int
}

func parseTemplate(s string, match *regexp.Regexp) (template, error) {
	var t template
	for {
		literal, rest, found := strings.Cut(s, "${")
		t.literals = append(t.literals, literal)
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return t, errors.New("${ is not closed")
		}
		group := match.SubexpIndex(name)
		if allDigits(name) && len(name) < 4 {
			group = number(name)
		}
		if group < 0 || group > match.NumSubexp() {
			return t, fmt.Errorf("match has no group %q", name)
		}
		t.groups = append(t.groups, group)
		s = after
	}
}

// expand is false where a group is not the number that it should be.
func (t template) expand(groups []string, as OrderAs) (string, bool) {
	var b strings.Builder
	for i, literal := range t.literals {
		b.WriteString(literal)
		if i == len(t.groups) {
			break
		}
		text, ok := sortable(groups[t.groups[i]], as)
		if !ok {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// sortable returns text that compares as bytes the way as says.
func sortable(text string, as OrderAs) (string, bool) {
	if as == OrderText {
		return text, true
	}
	if as == OrderHex {
		text = strings.ToLower(text)
	}
	for i := range len(text) {
		c := text[i]
		if (c < '0' || c > '9') && (as != OrderHex || c < 'a' || c > 'f') {
			return "", false
		}
	}
	text = strings.TrimLeft(text, "0")
	if len(text) > numberWidth {
		return "", false
	}
	return strings.Repeat("0", numberWidth-len(text)) + text, true
}
