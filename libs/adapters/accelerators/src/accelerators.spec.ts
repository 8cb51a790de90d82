import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DEVICE_METRICS, type Collector } from '@godwit/telemetry';
import { ACCELERATOR_METRICS, openAccelerators, withoutAccelerators } from './index.js';

const WITHIN_MS = 15_000;

class Bench implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'godwit-accelerators-'));
  readonly sysRoot = join(this.root, 'sys');
  readonly smi = join(this.root, 'nvidia-smi');
  private readonly opened: Collector[] = [];
  private monotonicMs = 0;

  put(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    symlinkSync(join(this.root, target), join(this.root, path));
  }
  /** A fake nvidia-smi: `$n` counts its starts from 1, `$*` are its arguments. */
  script(lines: string): void {
    writeFileSync(this.smi, `#!/bin/sh\nn=$(cat "$0.starts" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > "$0.starts"; echo "$*" >> "$0.args"\n${lines}\n`);
    chmodSync(this.smi, 0o755);
  }
  get starts(): number {
    return existsSync(`${this.smi}.starts`) ? Number(readFileSync(`${this.smi}.starts`, 'utf8')) : 0;
  }
  get args(): string {
    return readFileSync(`${this.smi}.args`, 'utf8');
  }
  open(program = this.smi): Collector {
    const collector = openAccelerators({ gpus: { program, periodMs: 20, firstPauseMs: 20 }, sysRoot: this.sysRoot });
    this.opened.push(collector);
    return collector;
  }
  /** Readings at a clock of the bench's own, `byMs` later each time. */
  read(collector: Collector, byMs = 1_000): Record<string, number> {
    const into: Record<string, number> = {};
    collector.collect((this.monotonicMs += byMs), into);
    return into;
  }
  async until<T>(what: string, look: () => T | undefined | false): Promise<T> {
    const endMs = performance.now() + WITHIN_MS;
    for (;;) {
      const seen = look();
      if (seen !== undefined && seen !== false) return seen;
      if (performance.now() > endMs) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  [Symbol.dispose](): void {
    for (const collector of this.opened) collector.close();
    rmSync(this.root, { recursive: true });
  }
}

const reasonOf = (collector: Collector, metric: string): string | undefined => collector.absences().find((absence) => absence.metric === metric)?.reason;
const soundNames = (reading: Record<string, number>): void => {
  for (const metric of Object.keys(reading)) expect(Object.keys(DEVICE_METRICS)).toContain(metric.replace(/\.\d+\./, '.<n>.'));
};

describe('GPUs', () => {
  it('are all read from one child, whose lines may come in pieces', async () => {
    using bench = new Bench();
    bench.script(`while :; do printf '0, 50, 1000, 8192, 100.5, 250.00, 60, 0x0, 0\\n1, 9'; sleep 0.02; printf '0, 2000, 8192, 200, 250.00, 70, 0x40, 3\\n'; done`);
    const collector = bench.open();
    const reading = await bench.until('both GPUs', () => { const seen = bench.read(collector); return 'gpu.1.power_watts' in seen && 'gpu.0.power_watts' in seen ? seen : undefined; });
    expect(reading).toMatchObject({ 'gpu.0.utilisation_ratio': 0.5, 'gpu.0.temperature_celsius': 60, 'gpu.1.utilisation_ratio': 0.9, 'gpu.1.thermal_throttled_ratio': 1 });
    expect(await bench.until('a rate of errors', () => bench.read(collector)['gpu.1.uncorrected_errors_per_second'])).toBe(0);
    soundNames(reading);
    expect(bench.starts).toBe(1);
    expect(bench.args).toContain('--format=csv,noheader,nounits -lms 20');
    expect(reasonOf(collector, 'gpu.0.power_watts')).toBeUndefined();
  });

  it('are absent with the reason where the program is not installed', async () => {
    using bench = new Bench();
    const collector = bench.open(join(bench.root, 'nothing-here'));
    await bench.until('the reason', () => reasonOf(collector, 'gpu.<n>.utilisation_ratio')?.includes('is not installed on this host'));
    expect(bench.read(collector)).toEqual({});
  });

  it('are absent with what the driver says, on its output or its error output', async () => {
    using bench = new Bench();
    bench.script(`echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."; echo 'Make sure' >&2; exit 9`);
    const collector = bench.open();
    const reason = await bench.until('the reason', () => { const seen = reasonOf(collector, 'gpu.<n>.power_watts'); return seen?.includes('code 9') ? seen : undefined; });
    expect(reason).toContain('communicate with the NVIDIA driver');
    expect(reason).toContain('Make sure');
    await bench.until('a second start', () => bench.starts >= 2);
  });

  it('come back when the child is killed', async () => {
    using bench = new Bench();
    bench.script(`echo '0, 1, 1, 1, 1, 1, 40, 0x0, 0'; if [ $n -lt 3 ]; then kill -9 $$; fi; echo "0, 77, 1, 1, 1, 1, 40, 0x0, 0"; exec sleep 60`);
    const collector = bench.open();
    await bench.until('the third child’s value', () => bench.read(collector, 10)['gpu.0.utilisation_ratio'] === 0.77);
    expect(bench.starts).toBe(3);
  });

  it('are absent when the child falls silent, which is then started again', async () => {
    using bench = new Bench();
    bench.script(`echo '0, 1, 1, 1, 1, 1, 40, 0x0, 0'; exec sleep 60`);
    const collector = bench.open();
    await bench.until('a value', () => 'gpu.0.utilisation_ratio' in bench.read(collector, 10));
    bench.read(collector, 6_000);
    expect(bench.read(collector, 10)).toEqual({});
    await bench.until('a second start', () => bench.starts >= 2);
  });

  it('are asked again without a field that the driver does not know', async () => {
    using bench = new Bench();
    bench.script(`case "$*" in *ecc.errors*) echo 'Field "ecc.errors.uncorrected.volatile.total" is not a valid field to query.'; exit 2;; esac; echo '0, 42, 1, 1, 1, 1, 40, 0x0'; exec sleep 60`);
    const collector = bench.open();
    await bench.until('a value', () => bench.read(collector, 10)['gpu.0.utilisation_ratio'] === 0.42);
    expect(reasonOf(collector, 'gpu.0.uncorrected_errors_per_second')).toContain('does not tell');
  });
});

describe('FPGAs and ASICs', () => {
  it('are read from the kernel’s classes, with the sensors below the device', () => {
    using bench = new Bench();
    bench.put('sys/devices/pci0/0000:3b:00.0/hwmon/hwmon3/temp1_input', '55000\n');
    bench.put('sys/devices/pci0/0000:3b:00.0/xmc.m.1/hwmon/hwmon4/temp2_input', '61500\n');
    bench.put('sys/devices/pci0/0000:3b:00.0/xmc.m.1/hwmon/hwmon4/power1_input', '42000000\n');
    bench.put('sys/devices/pci0/0000:3b:00.1/nothing', '');
    bench.link('sys/bus/pci/drivers/xclmgmt/0000:3b:00.0', 'sys/devices/pci0/0000:3b:00.0');
    bench.link('sys/bus/pci/drivers/xocl/0000:3b:00.1', 'sys/devices/pci0/0000:3b:00.1');
    bench.put('sys/devices/soc/manager/hwmon/hwmon9/temp1_input', 'garbage\n');
    bench.put('sys/class/fpga_manager/fpga0/state', 'operating\n');
    bench.link('sys/class/fpga_manager/fpga0/device', 'sys/devices/soc/manager');
    const collector = bench.open('/nonexistent/nvidia-smi');
    expect(bench.read(collector)).toEqual({ 'fpga.0.operating_ratio': 1, 'fpga.1.temperature_celsius': 61.5, 'fpga.1.power_watts': 42 });
    expect(reasonOf(collector, 'fpga.0.temperature_celsius')).toContain('no value');
    expect(reasonOf(collector, 'fpga.1.operating_ratio')).toContain('does not tell');
    bench.put('sys/class/fpga_manager/fpga0/state', 'write error\n');
    expect(bench.read(collector)['fpga.0.operating_ratio']).toBe(0);
    soundNames(bench.read(collector));
  });

  it('tell how busy an NPU is by its counter', () => {
    using bench = new Bench();
    const device = 'sys/devices/pci0/0000:00:0b.0';
    bench.put(`${device}/npu_busy_time_us`, '1000000\n');
    bench.put(`${device}/npu_memory_utilization`, '1048576\n');
    bench.put(`${device}/hwmon/hwmon0/power1_average`, '7500000\n');
    bench.link('sys/class/accel/accel0/device', device);
    const collector = bench.open('/nonexistent/nvidia-smi');
    expect(bench.read(collector)).toEqual({ 'asic.0.memory_bytes': 1_048_576, 'asic.0.power_watts': 7.5 });
    bench.put(`${device}/npu_busy_time_us`, '1500000\n');
    const reading = bench.read(collector, 2_000);
    expect(reading['asic.0.utilisation_ratio']).toBeCloseTo(0.25, 6);
    soundNames(reading);
  });

  it('are absent with the reason where there are none, on this machine or an empty one, and named in full', async () => {
    using bench = new Bench();
    const collector = bench.open('/nonexistent/nvidia-smi');
    expect(bench.read(collector)).toEqual({});
    await bench.until('the reason for GPUs', () => reasonOf(collector, 'gpu.<n>.power_watts')?.includes('not installed'));
    expect(collector.absences().map(({ metric }) => metric)).toEqual([...ACCELERATOR_METRICS]);
    for (const { metric, reason } of collector.absences()) {
      expect(Object.keys(DEVICE_METRICS)).toContain(metric);
      expect(reason.length).toBeGreaterThan(10);
    }
    expect(withoutAccelerators('shared with others').absences().map(({ metric }) => metric)).toEqual([...ACCELERATOR_METRICS]);
  });
});
