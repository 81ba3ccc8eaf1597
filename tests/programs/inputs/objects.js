// Buffers outside the JavaScript heap (each a malloc), strings, JSON and a compression thread pool.
const crypto = require('crypto');
const zlib = require('zlib');
const rounds = Number(process.argv[2]);

const kept = [];
for (let i = 0; i < rounds * 100000; i++) {
  const buffer = Buffer.alloc(16 + i % 2048);
  buffer.writeUInt32LE(i >>> 0, 0);
  kept[i % 20000] = buffer;
}
const hash = crypto.createHash('sha256');
for (const buffer of kept) hash.update(buffer);
const text = JSON.stringify(Array.from({ length: 20000 }, (_, i) => ({ i, name: 'n'.repeat(i % 50) })));
for (let i = 0; i < rounds; i++) hash.update(JSON.stringify(JSON.parse(text)));
let left = 8;
const packed = [];
for (let i = 0; i < 8; i++)
  zlib.deflate(text + i, (error, bytes) => {
    if (error) throw error;
    packed[i] = zlib.inflateSync(bytes).length;
    if (--left === 0) console.log(hash.digest('hex'), packed.join(' '));
  });
