import { ServerConnection } from '@jupyterlab/services';

import { RestClient } from '../request';
import { running, STOPPED } from './samples';

function client(
  answer: () => Promise<Response>,
  seen: Request[] = []
): RestClient {
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost/user/ann/',
    fetch: async (input: RequestInfo) => {
      seen.push(input as Request);
      return answer();
    }
  });
  return new RestClient(settings);
}

const json =
  (body: unknown, status = 200) =>
  async () =>
    new Response(JSON.stringify(body), { status });

describe('RestClient', () => {
  it('asks below the base address of the server', async () => {
    const seen: Request[] = [];
    const status = await client(json(STOPPED), seen).status();
    expect(status).toEqual(STOPPED);
    expect(seen[0].url).toMatch(
      'http://localhost/user/ann/jupyter-modelserve/lab/status'
    );
  });

  it('starts with POST', async () => {
    const seen: Request[] = [];
    await client(json(running()), seen).start();
    expect(seen[0].method).toBe('POST');
  });

  it('keeps message, code and hint of a refusal', async () => {
    const body = {
      error_code: 'TEMPORARILY_UNAVAILABLE',
      message: 'Busy',
      details: { hint: 'Wait' }
    };
    await expect(client(json(body, 503)).status()).rejects.toMatchObject({
      status: 503,
      code: 'TEMPORARILY_UNAVAILABLE',
      message: 'Busy',
      hint: 'Wait'
    });
  });

  it('survives a refusal that is not ours', async () => {
    const html = async () => new Response('<html>', { status: 502 });
    await expect(client(html).status()).rejects.toMatchObject({ status: 502 });
  });

  it('tells an answer of another version', async () => {
    await expect(client(json({ ok: 1 })).status()).rejects.toMatchObject({
      code: 'UNKNOWN_ANSWER'
    });
  });

  it('tells a server that does not answer', async () => {
    const gone = async () => {
      throw new TypeError('Failed to fetch');
    };
    await expect(client(gone).status()).rejects.toMatchObject({
      status: 0,
      code: 'NO_RESPONSE'
    });
  });
});
