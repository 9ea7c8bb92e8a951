import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { after, before, test } from 'node:test';

import { PROGRAM, Platform } from './platform.mjs';

let platform;
before(async () => {
  platform = await Platform.start();
});
after(() => platform?.stop());

// The client under test; put yours here.
function ask(path, signer) {
  const url = platform.url + path;
  const headers = {};
  if (signer) {
    const env = { ...process.env, ...signer };
    const header = execFileSync(PROGRAM, ['--home', platform.home, 'sign', '--url', url], { env, encoding: 'utf8' });
    headers.Authorization = header.trim().replace(/^Authorization: /, '');
  }
  return new Promise((resolve, reject) => {
    get(url, { headers, ca: readFileSync(platform.caFile) }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => (text += part));
      answer.on('end', () => resolve({ status: answer.statusCode, body: JSON.parse(text) }));
    }).on('error', reject);
  });
}

test('a request without a signature is refused', async () => {
  assert.equal((await ask('/appsec/v1/applications')).status, 401);
});

test('applications are listed', async () => {
  const { status, body } = await ask('/appsec/v1/applications?size=5', platform.environment());
  assert.equal(status, 200);
  assert.equal(body.page.total_elements, 60);
});
