// node prepare.js CASES: prepares the pictures of a list of cases (see test_preparation.py), each to a file.
"use strict";
const fs = require("fs");
const path = require("path");
const home = path.join(__dirname, "../../aetool/explore");
const { preparePicture } = require(path.join(home, "preparation.js"));
const { jpegHeader } = require(path.join(home, "jpeg.js"));

for (const { data, file, picture, spec, out } of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const header = jpegHeader(fs.readFileSync(file));
  fs.writeFileSync(out, preparePicture({ ...picture, ...header, data: new Uint8ClampedArray(fs.readFileSync(data)) }, spec));
}
