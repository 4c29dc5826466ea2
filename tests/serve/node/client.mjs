// Reads from `runstream serve` through @clickhouse/client, and prints JSON.
import { createRequire } from 'node:module'

const [url, password, cache] = process.argv.slice(2)
const { createClient } = createRequire(cache + '/')('@clickhouse/client')
const client = createClient({ url, password, database: 'runstream', compression: { response: true } })
const codeOf = async (doing) => {
  try {
    await doing()
    return null
  } catch (error) {
    return error.code ?? String(error)
  }
}
const rows = async (query, more = {}) => (await client.query({ query, format: 'JSONEachRow', ...more })).json()

const said = { ping: (await client.ping()).success }
if (await codeOf(() => rows('SELECT 1')) === null) {
  said.runs = (await rows('SELECT name FROM runs ORDER BY name, run_id')).map((row) => row.name)
  const query_params = { p: `a\tb\\c 'd' "e" 🦊` }
  said.parameter = (await rows('SELECT {p:String} AS p', { query_params }))[0].p
  said.select_ping = (await client.ping({ select: true })).success
  const many = await client.query({ query: 'SELECT number FROM numbers(1000000)', format: 'JSONEachRow' })
  let sum = 0
  for await (const some of many.stream()) for (const row of some) sum += Number(row.json().number)
  said.sum = sum
  said.unknown_table = await codeOf(() => rows('SELECT 1 FROM nowhere'))
  said.write = await codeOf(() => client.insert({ table: 'points', values: [{ step: 1 }], format: 'JSONEachRow' }))
  said.settings = (await rows("SELECT getSetting('max_threads') AS n", { clickhouse_settings: { max_threads: 1 } }))[0].n
} else {
  said.refused = await codeOf(() => rows('SELECT 1'))
}
await client.close()
console.log(JSON.stringify(said))
