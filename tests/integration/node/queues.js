// BullMQ at work: 2,000 jobs of all kinds, none lost and none done twice. Usage: node queues.js PORT
import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';

const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const PLAIN = 1200, DELAYED = 300, PRIORITISED = 300, FLOWS = 50, CHILDREN = 3;

const done = new Map(); // job's name -> how often it was done
const order = []; // priorities, as they were worked on
let attempts = 0;

function note(name) {
    done.set(name, (done.get(name) ?? 0) + 1);
}

async function until(condition, what) {
    const end = Date.now() + 60000;
    while (!await condition()) {
        assert.ok(Date.now() < end, `${what} did not come true in a minute: ${done.size} jobs are done`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

const queue = new Queue('work', { connection });
const events = new QueueEvents('work', { connection });
await events.waitUntilReady();
let completed = 0;
events.on('completed', () => completed++);

// Prioritised jobs wait in a paused queue, so that all of them are there when the first is taken.
const first = new Queue('priorities', { connection });
await first.pause();
await first.addBulk(Array.from({ length: PRIORITISED }, (_, i) => (
    { name: `prioritised:${i}`, data: { i }, opts: { priority: 1 + (i * 7) % 10 } })));

await queue.addBulk(Array.from({ length: PLAIN }, (_, i) => ({ name: `plain:${i}`, data: { i, text: 'x'.repeat(i % 200) } })));
const began = Date.now();
await queue.addBulk(Array.from({ length: DELAYED }, (_, i) => (
    { name: `delayed:${i}`, data: { due: began + 300 + i }, opts: { delay: 300 + i } })));
await queue.upsertJobScheduler('tick', { every: 100, limit: 5 }, { name: 'repeated', data: {} });
await queue.add('retried', {}, { attempts: 3, backoff: { type: 'fixed', delay: 10 } });

const flows = new FlowProducer({ connection });
await flows.addBulk(Array.from({ length: FLOWS }, (_, i) => ({
    name: `parent:${i}`, queueName: 'parents', data: {},
    children: Array.from({ length: CHILDREN }, (_, c) => ({ name: `child:${i}:${c}`, queueName: 'work', data: { value: c } })),
})));

async function work(job) {
    if (job.name === 'retried' && ++attempts < 3)
        throw new Error('not yet');
    if (job.name.startsWith('delayed'))
        assert.ok(Date.now() >= job.data.due - 20, 'a delayed job came early');
    note(job.name === 'repeated' ? job.id : job.name);
    return job.data.value ?? null;
}

const workers = [
    ...Array.from({ length: 3 }, () => new Worker('work', work, { connection, concurrency: 20 })),
    new Worker('priorities', async (job) => { order.push(job.opts.priority); note(job.name); }, { connection }),
    new Worker('parents', async (job) => {
        const values = Object.values(await job.getChildrenValues());
        assert.deepEqual(values.sort(), [...Array(CHILDREN).keys()], 'a parent ran before its children');
        note(job.name);
    }, { connection, concurrency: 10 }),
];
for (const worker of workers)
    worker.on('error', (error) => { console.error(error); process.exit(1); });
await first.resume();

const repeats = () => [...done.keys()].filter((name) => name.startsWith('repeat')).length;
const expected = PLAIN + DELAYED + PRIORITISED + FLOWS * (CHILDREN + 1) + 1;
await until(() => done.size - repeats() >= expected && repeats() >= 5, 'all jobs');
await until(async () => (await queue.getJobCounts('active', 'waiting', 'delayed')).active === 0, 'rest');

assert.equal(done.size - repeats(), expected);
assert.deepEqual([...done.values()].filter((times) => times !== 1), [], 'a job was done twice');
assert.equal(attempts, 3);
assert.deepEqual(order, order.toSorted((a, b) => a - b), 'priorities were not kept');
assert.equal(await queue.getFailedCount(), 0);
await until(() => completed >= PLAIN + DELAYED + FLOWS * CHILDREN, 'events');
for (const closing of [...workers, events, queue, first, flows])
    await closing.close();
console.log(`all done: ${done.size} jobs`);
