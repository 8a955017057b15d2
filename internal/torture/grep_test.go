package torture

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/parquet/file"
)

var encoded = regexp.MustCompile(`[A-Za-z0-9+/]{8,}=*`)

// search returns the files below a folder that hold one of the texts: as they are, in
// what pages of Parquet files hold once they are decompressed, dictionaries too, in the
// blocks of Avro files, and in what is encoded in base64.
func search(root string, texts ...string) (found []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parts := [][]byte{content}
		for _, text := range encoded.FindAll(content, -1) { // bytes in JSON
			if b, err := base64.StdEncoding.DecodeString(string(text)); err == nil {
				parts = append(parts, b)
			}
		}
		switch filepath.Ext(path) {
		case ".parquet":
			parts, err = parquetPages(content, parts)
		case ".avro":
			parts, err = avroBlocks(content, parts)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, part := range parts {
			for _, text := range texts {
				if bytes.Contains(part, []byte(text)) {
					found = append(found, strings.TrimPrefix(path, root))
					return nil
				}
			}
		}
		return nil
	})
	return found, err
}

func parquetPages(content []byte, parts [][]byte) ([][]byte, error) {
	r, err := file.NewParquetReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for g := range r.NumRowGroups() {
		for c := range r.MetaData().Schema.NumColumns() {
			pages, err := r.RowGroup(g).GetColumnPageReader(c)
			if err != nil {
				return nil, err
			}
			for pages.Next() {
				parts = append(parts, bytes.Clone(pages.Page().Data()))
			}
			if err := pages.Err(); err != nil {
				return nil, err
			}
		}
	}
	return parts, nil
}

// avroBlocks reads an object container file (Avro spec 1.11, "Object Container Files").
func avroBlocks(content []byte, parts [][]byte) ([][]byte, error) {
	if !bytes.HasPrefix(content, []byte("Obj\x01")) {
		return nil, errors.New("not an Avro file")
	}
	in := bytes.NewReader(content[4:])
	deflated := false
	bytesOf := func() ([]byte, error) {
		n, err := binary.ReadVarint(in)
		if err != nil || n < 0 || n > int64(in.Len()) {
			return nil, errors.Join(err, io.ErrUnexpectedEOF)
		}
		b := make([]byte, n)
		_, err = io.ReadFull(in, b)
		return b, err
	}
	for {
		n, err := binary.ReadVarint(in)
		if err != nil || n == 0 {
			break
		}
		for range n {
			key, err := bytesOf()
			if err != nil {
				return nil, err
			}
			value, err := bytesOf()
			if err != nil {
				return nil, err
			}
			deflated = deflated || string(key) == "avro.codec" && string(value) == "deflate"
		}
	}
	if _, err := in.Seek(16, io.SeekCurrent); err != nil {
		return nil, err
	}
	for in.Len() > 0 {
		if _, err := binary.ReadVarint(in); err != nil {
			return nil, err
		}
		block, err := bytesOf()
		if err == nil && deflated {
			block, err = io.ReadAll(flate.NewReader(bytes.NewReader(block)))
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, block)
		if _, err := in.Seek(16, io.SeekCurrent); err != nil {
			return nil, err
		}
	}
	return parts, nil
}
