package restsink

import (
	"net/url"

	"github.com/tidemark-data/etl"
)

// declared says where other engines find the tables. Tokens, credentials and
// headers are left out; engines that need them bring their own, Spark as
// spark.sql.catalog.tidemark.token or .credential.
func (c Config) declared() etl.Declaration {
	props := c.storage().Declared()
	set := func(name, value string) {
		if value != "" {
			props[name] = value
		}
	}
	set("prefix", c.Prefix)
	set("oauth2-server-uri", plain(c.OAuthURI))
	set("scope", c.Scope)
	set("audience", c.Audience)
	set("resource", c.Resource)
	if c.SigV4 {
		set("rest.sigv4-enabled", "true")
		set("rest.signing-name", c.SigningName)
		set("rest.signing-region", c.SigningRegion)
	}
	return etl.Declaration{Kind: "iceberg", Options: map[string]any{
		"catalog": "tidemark", "type": "rest", "uri": plain(c.URI), "warehouse": c.Warehouse, "side": c.SideLocation, "properties": props,
	}}
}

// plain is a URL without its query and user, which may hold secrets.
func plain(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	return u.String()
}
