// Reads {frame, transformations} and writes the frames that Grafana would draw. All but partitionByValues are the
// published package's own; that one is part of Grafana itself, and is done here as its documentation says.
require("global-jsdom")(undefined, { url: "http://localhost" });
const fs = require("fs");
const { toDataFrame, transformDataFrame, standardTransformersRegistry, standardTransformers } = require("@grafana/data");

const known = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
standardTransformersRegistry.setInit(() =>
  [...known.values()].map((one) => ({ id: one.id, name: one.name, description: "", transformation: one }))
);

function partition(frame, options) {
  const keys = options.fields.map((name) => frame.fields.find((field) => field.name === name));
  const rows = new Map();
  for (let row = 0; row < frame.length; row++) {
    const values = keys.map((field) => field.values[row]);
    const key = JSON.stringify(values);
    if (!rows.has(key)) rows.set(key, { values, rows: [] });
    rows.get(key).rows.push(row);
  }
  return [...rows.values()].map((part) =>
    toDataFrame({
      refId: frame.refId,
      fields: frame.fields
        .filter((field) => options.keepFields || !keys.includes(field))
        .map((field) => ({
          name: field.name,
          type: field.type,
          labels: Object.fromEntries(keys.map((key, place) => [key.name, String(part.values[place])])),
          values: part.rows.map((row) => field.values[row]),
        })),
    })
  );
}

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
let frames = [toDataFrame(asked.frame)];
let rest = asked.transformations;
if (rest.length && rest[0].id === "partitionByValues") {
  frames = frames.flatMap((frame) => partition(frame, rest[0].options));
  rest = rest.slice(1);
}
transformDataFrame(rest, frames).subscribe((found) => {
  const shown = found.map((frame) => ({
    length: frame.length,
    fields: frame.fields.map((field) => ({
      name: field.name,
      labels: field.labels ?? {},
      values: Array.from(field.values, (value) => value ?? null),
    })),
  }));
  fs.writeFileSync(1, JSON.stringify(shown));
});
