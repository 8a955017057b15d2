package main

import (
	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/transform"
)

const (
	persons = "sport.persons"
	venues  = "sport.venues"
	events  = "sport.events"
	tickets = "sport.tickets"
	sales   = "sport.sales"
)

// base are the tables that files feed.
func base(keys transform.KeyProvider) []etl.Table {
	return []etl.Table{
		table(persons, []etl.Transformer{
			transform.Normalize(transform.Normal{Trim: true, Case: transform.CaseLower}, "email"),
			transform.Tokenize(transform.Tokens{Column: "email", Domain: "person.email", Keys: keys}),
			transform.Mask("phone", transform.MaskRule{KeepLast: 4}),
		}, etl.Column{Name: "person_id", Type: etl.Long}, etl.Column{Name: "name", Type: etl.String},
			etl.Column{Name: "email", Type: etl.String, Sensitive: true}, etl.Column{Name: "phone", Type: etl.String, Sensitive: true}),
		table(venues, nil, etl.Column{Name: "venue_id", Type: etl.Long}, etl.Column{Name: "venue", Type: etl.String},
			etl.Column{Name: "city", Type: etl.String}),
		table(events, nil, etl.Column{Name: "event_id", Type: etl.Long}, etl.Column{Name: "title", Type: etl.String},
			etl.Column{Name: "venue_id", Type: etl.Long}, etl.Column{Name: "starts_at", Type: etl.Timestamp}),
		table(tickets, nil, ticketColumns()...),
	}
}

func ticketColumns() etl.Columns {
	return etl.Columns{
		{Name: "ticket_id", Type: etl.Long}, {Name: "event_id", Type: etl.Long}, {Name: "person_id", Type: etl.Long},
		{Name: "price", Type: etl.Decimal(9, 2)},
	}
}

// table declares a table whose key is its first column.
func table(name string, transforms []etl.Transformer, columns ...etl.Column) etl.Table {
	return etl.Table{
		Name: name, Key: []string{columns[0].Name}, Columns: columns, Transforms: transforms,
		Op: etl.OpColumn{Column: "op"}, Format: format.CSV{Header: true},
	}
}

// denormalised is the table of sales: tickets with what the dimensions say of them.
// A dimension that is not there (yet) leaves nulls.
func denormalised(w *world) etl.Table {
	t := table(sales, []etl.Transformer{
		transform.Lookup(transform.LookupOptions{
			Source: w.dimension(events, "event_id", "title", "venue_id", "starts_at"),
			On:     []transform.LookupOn{{Column: "event_id", Source: "event_id"}},
			Take:   []transform.LookupTake{{Source: "title"}, {Source: "starts_at"}, {Source: "venue_id"}},
		}),
		transform.Lookup(transform.LookupOptions{
			Source: w.dimension(venues, "venue_id", "venue", "city"),
			On:     []transform.LookupOn{{Column: "venue_id", Source: "venue_id"}},
			Take:   []transform.LookupTake{{Source: "venue"}, {Source: "city"}},
		}),
		transform.Lookup(transform.LookupOptions{
			Source: w.dimension(persons, "person_id", "name", "email", "phone"),
			On:     []transform.LookupOn{{Column: "person_id", Source: "person_id"}},
			Take:   []transform.LookupTake{{Source: "name"}, {Source: "email", As: "email_token"}, {Source: "phone"}},
		}),
		transform.Drop("event_id", "venue_id", "person_id"),
		transform.Reorder("ticket_id", "title", "starts_at", "venue", "city", "name", "email_token", "phone", "price"),
	}, ticketColumns()...)
	t.Op, t.AllowEmpty, t.FullLoads = etl.OpColumn{}, true, etl.FullDifference
	return t
}
