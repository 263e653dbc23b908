// node scaled.js CASES: decodes JPEGs at a smaller scale (see test_scaled_jpeg.py), each to a file; empty where refused.
"use strict";
const fs = require("fs");
const path = require("path");
const { scaledJpeg } = require(path.join(__dirname, "../../aetool/explore/scaled.js"));

for (const { file, scale, width, height, out } of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const found = scaledJpeg(new Uint8Array(fs.readFileSync(file)), scale, width, height);
  fs.writeFileSync(out, found ? Buffer.concat(found.planes.map((plane) => Buffer.from(plane))) : "");
}
