// A Veracode-compatible platform for tests: `const platform = await Platform.start()`.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export const PROGRAM = process.env.COUNTERSIGN_PROGRAM ?? 'countersign';

export class Platform {
  static async start({ seed = 'demo', roles = ['resultsapi', 'noteamrestrictionapi'] } = {}) {
    const platform = new Platform();
    platform.folder = mkdtempSync(join(tmpdir(), 'countersign-'));
    platform.home = join(platform.folder, 'home');
    const ready = join(platform.folder, 'ready.json');
    const words = ['platform', 'serve', '--listen', '127.0.0.1:0', '--console', 'off', '--seed', seed];
    platform.process = spawn(PROGRAM, ['--home', platform.home, '--quiet', ...words, '--ready-file', ready], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    try {
      const failed = new Promise((_, reject) => platform.process.once('error', reject));
      failed.catch(() => {});
      for (let tries = 0; !existsSync(ready); tries += 1) {
        if (platform.process.exitCode !== null || tries > 1200) throw new Error('the platform did not start');
        await Promise.race([wait(50), failed]);
      }
      const about = JSON.parse(readFileSync(ready));
      platform.url = about.rest_url;
      platform.caFile = about.ca_file;
      const pair = platform.mint('test', ...roles);
      platform.apiId = pair.api_id;
      platform.apiSecret = pair.api_secret;
    } catch (error) {
      await platform.stop();
      throw error;
    }
    return platform;
  }

  async stop() {
    if (this.process.pid && this.process.exitCode === null) {
      const ended = new Promise((resolve) => this.process.once('exit', resolve));
      this.process.kill();
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  // Another API account with its credentials.
  mint(user, ...roles) {
    const options = roles.flatMap((role) => ['--role', role]);
    return JSON.parse(execFileSync(PROGRAM, ['--home', this.home, 'platform', 'mint', '--json', '--user', user, ...options]));
  }

  environment() {
    return {
      VERACODE_API_KEY_ID: this.apiId,
      VERACODE_API_KEY_SECRET: this.apiSecret,
      VERACODE_OVERRIDE_API_BASE_URL: this.url,
      NODE_EXTRA_CA_CERTS: this.caFile,
    };
  }
}
