// Reads from `runstream serve` through clickhouse-go over HTTP, as Grafana's data source does, and prints JSON.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func main() {
	address, password, compression := os.Args[1], os.Args[2], os.Args[3]
	options := &clickhouse.Options{
		Addr:     []string{address},
		Protocol: clickhouse.HTTP,
		Auth:     clickhouse.Auth{Database: "runstream", Username: "default", Password: password},
		Settings: clickhouse.Settings{"max_execution_time": 60},
	}
	switch compression {
	case "lz4":
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	case "gzip":
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionGZIP}
	}
	db := clickhouse.OpenDB(options)
	db.SetMaxOpenConns(4)
	said := map[string]any{}
	if err := db.Ping(); err != nil {
		said["ping"] = err.Error()
	} else {
		said["values"] = values(db)
		said["sum"] = sum(db)
		said["code"] = code(db, "SELECT nothing FROM nowhere")
		said["late"] = late(db)
		said["runs"] = runs(db)
	}
	json.NewEncoder(os.Stdout).Encode(said)
}

func values(db *sql.DB) map[string]any {
	row := db.QueryRow("SELECT toUInt64(18446744073709551615), -1.5, nan, 'it''s 🦊\\t\\\\', toLowCardinality('x'), "+
		"toDateTime64('2025-01-02 03:04:05.678901', 6, 'UTC'), [[1],[2,3]], map('a', 1), toNullable(1), {p:String}", clickhouse.Named("p", "a 'b' \"c\" 🦊"))
	var (
		whole     uint64
		real, nan float64
		text, low string
		parameter string
		nested    [][]uint8
		mapped    map[string]uint8
		nullable  *uint8
		moment    time.Time
	)
	if err := row.Scan(&whole, &real, &nan, &text, &low, &moment, &nested, &mapped, &nullable, &parameter); err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"whole": fmt.Sprint(whole), "real": real, "nan": math.IsNaN(nan), "text": text, "low": low,
		"time": moment.UTC().Format("2006-01-02 15:04:05.999999"), "nested": fmt.Sprint(nested), "mapped": mapped, "nullable": *nullable, "parameter": parameter}
}

func sum(db *sql.DB) any {
	rows, err := db.Query("SELECT number FROM numbers(1000000)")
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	var total, number uint64
	for rows.Next() {
		if err := rows.Scan(&number); err != nil {
			return err.Error()
		}
		total += number
	}
	if err := rows.Err(); err != nil {
		return err.Error()
	}
	return total
}

func late(db *sql.DB) any {
	rows, err := db.Query("SELECT throwIf(number = 3000000) FROM numbers(10000000)")
	if err != nil {
		return codeOf(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	return codeOf(rows.Err())
}

func code(db *sql.DB, query string) any {
	_, err := db.QueryContext(context.Background(), query)
	return codeOf(err)
}

func codeOf(err error) any {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return fmt.Sprint(err)
}

func runs(db *sql.DB) any {
	rows, err := db.Query("SELECT name FROM runs ORDER BY name, run_id")
	if err != nil {
		return err.Error()
	}
	defer rows.Close()
	names := []string{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err.Error()
		}
		names = append(names, name)
	}
	return names
}
