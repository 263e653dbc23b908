// node prepare.js CASES: prepares the pictures of a list of cases (see test_preparation.py), each to a file.
"use strict";
const fs = require("fs");
const path = require("path");
const home = path.join(__dirname, "../../aetool/explore");
const { preparePicture } = require(path.join(home, "preparation.js"));
const { jpegHeader } = require(path.join(home, "jpeg.js"));

for (const { data, file, picture, averaged, spec, out } of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const bytes = fs.readFileSync(file), pixels = new Uint8ClampedArray(fs.readFileSync(data));
  const whole = { ...picture, ...jpegHeader(bytes), data: pixels, bytes: averaged ? undefined : bytes };
  fs.writeFileSync(out, preparePicture(whole, spec));
}
