import { load, MetricsStore, parse } from '../model/metrics';
import { endpoint, fakeClient } from './samples';

const LABELS = 'owner="worker",endpoint="iris",model="iris",version="2"';

function text(count: number, slow = 0, labels = LABELS): string {
  return [
    '# HELP modelserve_requests_total Finished requests.',
    `modelserve_requests_total{${labels},status="200"} ${count}`,
    `modelserve_request_seconds_bucket{${labels},le="0.01"} ${count - slow}`,
    `modelserve_request_seconds_bucket{${labels},le="0.1"} ${count}`,
    `modelserve_request_seconds_bucket{${labels},le="+Inf"} ${count}`,
    'modelserve_requests_in_flight 0'
  ].join('\n');
}

describe('load', () => {
  const iris = endpoint('iris');

  it('is the difference of two looks', () => {
    const found = load(parse(text(100), 0), parse(text(300), 10_000), iris);
    expect(found.perSecond).toBe(20);
    expect(found.p95).toBeCloseTo(0.0095, 4);
    expect(found.total).toBe(300);
  });

  it('lies in the bucket where the 95th request is', () => {
    const found = load(parse('', 0), parse(text(100, 50), 1000), iris);
    expect(found.p95).toBeGreaterThan(0.01);
    expect(found.p95).toBeLessThanOrEqual(0.1);
  });

  it('begins anew with a gateway that counts anew', () => {
    const found = load(parse(text(500), 0), parse(text(30), 10_000), iris);
    expect(found.perSecond).toBe(3);
  });

  it('counts requests to the version itself, and nothing of others', () => {
    const own = 'owner="worker",endpoint="",model="iris",version="2"';
    const other = 'owner="worker",endpoint="x",model="iris",version="2"';
    const none = parse('', 0);
    expect(load(none, parse(text(9, 0, own), 1000), iris).total).toBe(9);
    expect(load(none, parse(text(9, 0, other), 1000), iris).total).toBe(0);
  });

  it('has no percentile without requests', () => {
    const same = parse(text(5), 0);
    expect(load(same, parse(text(5), 5000), iris).p95).toBeNull();
  });
});

describe('MetricsStore', () => {
  it('asks only while somebody watches', async () => {
    const client = fakeClient();
    const store = new MetricsStore(client);
    const who = {};
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(client.metrics).not.toHaveBeenCalled();
    await store.setWatched(true, who);
    await new Promise(resolve => setTimeout(resolve, 20));
    expect(client.metrics).toHaveBeenCalled();
    await store.setWatched(false, who);
    expect(store.of(endpoint('iris'))).toBeNull();
    store.dispose();
  });
});
