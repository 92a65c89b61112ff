// Clients of Node.js against servers of this module: node clients.mjs PLAIN TLS CA NODE NODE NODE,
// where the first two are ports, CA is a file, and the nodes are ports of a cluster.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { RedisStore as SessionStore } from 'connect-redis'
import { Cluster, Redis } from 'ioredis'
import { RedisStore as LimitStore } from 'rate-limit-redis'
import { createClient, createCluster } from 'redis'

const [plain, secure, ca, ...nodes] = process.argv.slice(2)

async function nodeRedis(options) {
  const client = await createClient(options).connect()
  assert.equal(await client.set('k', 'v'), 'OK')
  assert.equal(await client.set('k', 'w', { condition: 'NX' }), null)
  assert.equal(await client.set('s', 'v', { expiration: { type: 'EX', value: 60 } }), 'OK')
  assert.ok((await client.ttl('s')) > 0)
  assert.equal(await client.get('k'), 'v')
  assert.equal(await client.get('none'), null)
  assert.deepEqual(await client.mGet(['k', 'none']), ['v', null])
  assert.deepEqual(await client.multi().incr('n').incrBy('n', 41).get('n').exec(), [1, 42, '42'])
  await assert.rejects(client.incr('k'), /not an integer/)
  await client.watch('k')
  await Promise.all([client.set('k', 'other')])
  await assert.rejects(client.multi().set('k', 'mine').exec(), /watched keys/i)
  const large = 'x'.repeat(1 << 20)
  await client.set('large', large)
  assert.equal(await client.get('large'), large)
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set('scan:' + i, String(i))))
  const found = new Set()
  for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 100 })) keys.forEach(k => found.add(k))
  assert.equal(found.size, 1000)
  assert.match(await client.info('server'), /redis_version:7\.0/)
  assert.equal((await client.configGet('maxmemory')).maxmemory, '0')
  assert.equal(await client.flushAll(), 'OK')
  await client.close()
}

async function ioRedis(options) {
  const client = new Redis(options)
  assert.equal(await client.set('k', 'v', 'PX', 60000), 'OK')
  assert.equal(await client.get('k'), 'v')
  assert.deepEqual(await client.mget('k', 'none'), ['v', null])
  assert.deepEqual(await client.pipeline().incr('n').get('k').incr('k').exec().then(l => l.map(([e, v]) => e ? e.message.slice(0, 9) : v)),
    [1, 'v', 'ERR value'])
  assert.deepEqual(await client.multi().incr('n').getex('k', 'PERSIST').exec(), [[null, 2], [null, 'v']])
  assert.equal(await client.pttl('k'), -1)
  assert.deepEqual(await client.getBuffer('k'), Buffer.from('v'))
  await client.mset(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => ['scan:' + i, i])))
  const found = new Set()
  for await (const keys of client.scanStream({ match: 'scan:*', count: 100 })) keys.forEach(k => found.add(k))
  assert.equal(found.size, 1000)
  await client.flushall()
  await client.quit()
}

async function clusters() {
  const root = nodes.map(port => ({ url: `redis://127.0.0.1:${port}` }))
  const a = await createCluster({ rootNodes: root }).connect()
  const b = new Cluster(nodes.map(port => ({ host: '127.0.0.1', port: Number(port) })))
  await Promise.all(Array.from({ length: 300 }, (_, i) => a.set('key:' + i, String(i))))
  for (let i = 0; i < 300; i++) assert.equal(await b.get('key:' + i), String(i))
  assert.deepEqual(await a.mGet(['{tag}1', '{tag}2']), [null, null])
  await assert.rejects(b.mget('a', 'b'), /CROSSSLOT|same slot|same node/i)
  assert.equal(await a.multi().set('{tag}1', '1').set('{tag}2', '2').exec().then(l => l.length), 2)
  const sizes = await Promise.all(b.nodes('master').map(n => n.dbsize()))
  assert.equal(sizes.length, 3)
  assert.ok(sizes.every(n => n > 50), `keys of each node: ${sizes}`)
  await a.close()
  await b.quit()
}

// connect-redis uses GET, SET, EXPIRE, DEL, SCAN and MGET.
async function sessions() {
  const client = await createClient({ url: `redis://127.0.0.1:${plain}` }).connect()
  const store = new SessionStore({ client })
  for (const id of ['a', 'b', 'c']) await store.set(id, { cookie: {}, user: id })
  assert.deepEqual(await store.get('a'), { cookie: {}, user: 'a' })
  assert.equal(await store.get('none'), null)
  await client.persist('sess:b')
  await store.touch('b', { cookie: { expires: new Date(Date.now() + 100_000) } })
  assert.ok((await client.ttl('sess:b')) > 90)
  assert.equal(await store.length(), 3)
  assert.deepEqual((await store.ids()).sort(), ['a', 'b', 'c'])
  assert.deepEqual((await store.all()).map(s => s.user).sort(), ['a', 'b', 'c'])
  await store.destroy('a')
  assert.equal(await store.length(), 2)
  await store.clear()
  assert.equal(await store.length(), 0)
  await client.close()
}

// rate-limit-redis keeps its counts by two scripts. There are no scripts here; what it
// sends is for its user to say, and transactions do the same.
async function limits() {
  const client = await createClient({ url: `redis://127.0.0.1:${plain}` }).connect()
  const usual = new LimitStore({ sendCommand: (...args) => client.sendCommand(args) })
  await assert.rejects(usual.init({ windowMs: 60_000 }), /unknown command 'SCRIPT'/)

  const sendCommand = async (name, ...args) => {
    if (name === 'SCRIPT') return args[1].includes('INCR') ? 'increment' : 'get'
    if (name !== 'EVALSHA') return client.sendCommand([name, ...args])
    const [script, , key, windowMs] = args
    const hits = client.multi()
    if (script === 'get') return hits.get(key).pTTL(key).exec()
    const start = { condition: 'NX', expiration: { type: 'PX', value: Number(windowMs) } }
    return (await hits.set(key, '0', start).incr(key).pTTL(key).exec()).slice(1)
  }
  const store = new LimitStore({ sendCommand })
  await store.init({ windowMs: 60_000 })
  const counts = await Promise.all(Array.from({ length: 100 }, () => store.increment('1.2.3.4')))
  assert.deepEqual(counts.map(c => c.totalHits).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i + 1))
  assert.ok(counts.every(c => c.resetTime > new Date() && c.resetTime < new Date(Date.now() + 61_000)))
  await store.decrement('1.2.3.4')
  assert.equal((await store.get('1.2.3.4')).totalHits, 99)
  await store.resetKey('1.2.3.4')
  assert.equal((await store.increment('1.2.3.4')).totalHits, 1)
  await client.close()
}

for (const [name, test] of Object.entries({
  'node-redis': () => nodeRedis({ url: `redis://127.0.0.1:${plain}` }),
  'node-redis, RESP2': () => nodeRedis({ url: `redis://127.0.0.1:${plain}`, RESP: 2 }),
  'node-redis, TLS': () => nodeRedis({ url: `rediss://127.0.0.1:${secure}`, socket: { tls: true, ca: readFileSync(ca) } }),
  'ioredis': () => ioRedis({ port: Number(plain) }),
  'ioredis, TLS': () => ioRedis({ port: Number(secure), host: '127.0.0.1', tls: { ca: readFileSync(ca) } }),
  'clusters': clusters,
  'connect-redis': sessions,
  'rate-limit-redis': limits,
})) {
  await test()
  console.log('ok', name)
}
