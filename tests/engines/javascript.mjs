// ONNX Runtime from JavaScript: node javascript.mjs PACKAGE GRAPH VALUES OUTPUTS BATCH ...
// VALUES holds the inputs of all batches one behind the other, as raw float32; OUTPUTS is written alike.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'

const [name, graph, source, target, ...batches] = process.argv.slice(2)
const ort = await import(name)
const session = await ort.InferenceSession.create(readFileSync(graph))
const [input, output] = [session.inputNames[0], session.outputNames[0]]
const shape = session.inputMetadata[0].shape.slice(1)
const length = shape.reduce((product, side) => product * side)
const bytes = readFileSync(source)
const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
writeFileSync(target, '')
let start = 0
for (const size of batches.map(Number)) {
  const batch = values.slice(start, start += size * length)
  const found = await session.run({ [input]: new ort.Tensor('float32', batch, [size, ...shape]) })
  appendFileSync(target, new Uint8Array(new Float32Array(found[output].data).buffer))
}
