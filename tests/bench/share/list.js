// usage: list.js objects|buffers: holds about 200 MiB of them for a moment.
const held = [];
if (process.argv[2] === 'objects') for (let i = 0; i < 2000000; ++i) held.push({n: i, text: 'text ' + i});
else for (let i = 0; i < 25000; ++i) held.push(Buffer.alloc(8000, 1));
setTimeout(() => held.length, 300);
