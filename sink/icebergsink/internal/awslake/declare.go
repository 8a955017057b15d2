package awslake

import "strconv"

// Declared are the storage's settings by the names of Iceberg's Java library
// (Iceberg documentation, "AWS integrations"). Credentials are not among them.
func (s Storage) Declared() map[string]string {
	props := map[string]string{}
	if s.AWS.Region != "" {
		props["client.region"] = s.AWS.Region
	}
	if s.Endpoint != "" {
		props["s3.endpoint"] = s.Endpoint
	}
	if s.Endpoint != "" || s.PathStyle { // as in Properties
		props["s3.path-style-access"] = strconv.FormatBool(s.PathStyle)
	}
	if kind := map[string]string{"AES256": "s3", "aws:kms": "kms", "aws:kms:dsse": "dsse-kms"}[s.Encryption.Algorithm]; kind != "" {
		props["s3.sse.type"] = kind
	}
	if s.Encryption.KMSKey != "" {
		props["s3.sse.key"] = s.Encryption.KMSKey
	}
	return props
}
