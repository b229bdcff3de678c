/**
 * YuNet, the server's own face detector, small enough for a phone: 10 million multiplications for a frame of 96 x 128.
 *
 * The weights are written by `tools/face_finder`. Buffers are planes of one channel after the other, row by row.
 */

export const FRAME = { width: 96, height: 128 } as const;
const SCORE = 0.6;
/** Two boxes that share more of their union are one face. */
const OVERLAP = 0.3;
const STRIDES = [32, 16, 8] as const;
const [LANDMARKS, BOX, ONE] = [10, 4, 1];

/** A face in pixels of the frame. */
export interface Found {
  x: number;
  y: number;
  width: number;
  height: number;
  score: number;
  /** How far the nose is off the middle between the eyes, by their distance: 0 where somebody looks here. */
  turned: number;
}

interface Plane {
  data: Float32Array;
  channels: number;
  width: number;
  height: number;
}

interface Layer {
  weights: Float32Array;
  bias: Float32Array;
}

/** Inputs, outputs and weights of one output, of all layers in the order in which they run. */
function shapes(): { outputs: number; each: number }[] {
  const made = [{ outputs: 16, each: 27 }];
  const unit = (inputs: number, outputs: number): void => void made.push({ outputs, each: inputs }, { outputs, each: 9 });
  for (const [inputs, outputs] of [[16, 16], [16, 16], [16, 32], [32, 32], [32, 64]] as const) unit(inputs, outputs);
  for (let more = 0; more < 6; more += 1) unit(64, 64);
  for (let level = 0; level < STRIDES.length; level += 1) {
    unit(64, 64);
    unit(64, LANDMARKS);
  }
  for (const outputs of [BOX, ONE, ONE]) STRIDES.forEach(() => unit(64, outputs));
  return made;
}

export class YuNet {
  private readonly layers: Layer[];

  /** `file`: what `tools/face_finder` wrote. */
  constructor(file: ArrayBuffer) {
    const all = shapes();
    const outputs = all.reduce((sum, layer) => sum + layer.outputs, 0);
    const numbers = all.reduce((sum, layer) => sum + layer.outputs * layer.each, 0);
    if (file.byteLength !== 8 * outputs + numbers) throw new Error("the weights are of another network");
    const floats = new Float32Array(file, 0, 2 * outputs);
    const integers = new Int8Array(file, 8 * outputs);
    let [float, integer] = [0, 0];
    this.layers = all.map((layer) => {
      const scale = floats.subarray(float, (float += layer.outputs));
      const bias = floats.subarray(float, (float += layer.outputs));
      const raw = integers.subarray(integer, (integer += layer.outputs * layer.each));
      return { bias, weights: Float32Array.from(raw, (value, at) => value * (scale[Math.floor(at / layer.each)] ?? 0)) };
    });
  }

  /** Faces in an RGBA picture of FRAME's size, the surest first. */
  find(rgba: Uint8ClampedArray): Found[] {
    let next = 0;
    const layer = (): Layer => this.layers[next++] as Layer;
    const unit = (input: Plane, outputs: number, active = true): Plane =>
      depthwise(pointwise(input, layer(), outputs), layer(), active);

    let plane = pool(unit(first(rgba, layer()), 16));
    for (const outputs of [16, 32, 32, 64]) plane = unit(plane, outputs);
    const levels: Plane[] = [];
    for (let level = 0; level < STRIDES.length; level += 1) {
      plane = pool(plane);
      plane = unit(unit(plane, 64), 64);
      levels.unshift(plane);
    }
    const marks: Plane[] = [];
    const features: Plane[] = [];
    for (const level of levels) {
      const above = features.at(-1);
      if (above) addDoubled(level, above);
      features.push(unit(level, 64));
      marks.push(unit(features.at(-1) as Plane, LANDMARKS, false));
    }
    const [boxes, sure, there] = [BOX, ONE, ONE].map((outputs) => features.map((level) => unit(level, outputs, false)));
    return alone(STRIDES.flatMap((stride, at) => decode(stride, boxes?.[at], sure?.[at], there?.[at], marks[at])));
  }
}

function decode(stride: number, box?: Plane, sure?: Plane, there?: Plane, marks?: Plane): Found[] {
  if (!box || !sure || !there || !marks) return [];
  const cells = box.width * box.height;
  const found: Found[] = [];
  for (let cell = 0; cell < cells; cell += 1) {
    const score = Math.sqrt(sigmoid(sure.data[cell] ?? 0) * sigmoid(there.data[cell] ?? 0));
    if (score < SCORE) continue;
    const of = (plane: Plane, channel: number): number => plane.data[channel * cells + cell] ?? 0;
    const [column, row] = [cell % box.width, Math.floor(cell / box.width)];
    const [width, height] = [Math.exp(of(box, 2)) * stride, Math.exp(of(box, 3)) * stride];
    // Eyes, then the nose; their columns are of the same cell, so their differences need no more than themselves.
    const [right, left, nose] = [of(marks, 0), of(marks, 2), of(marks, 4)];
    found.push({
      x: (column + of(box, 0)) * stride - width / 2,
      y: (row + of(box, 1)) * stride - height / 2,
      width,
      height,
      score,
      turned: (nose - (right + left) / 2) / Math.max(Math.abs(left - right), 1e-3),
    });
  }
  return found;
}

function alone(found: Found[]): Found[] {
  const kept: Found[] = [];
  for (const face of found.sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face, other) <= OVERLAP)) kept.push(face);
  }
  return kept;
}

function overlap(a: Found, b: Found): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

function make(channels: number, width: number, height: number): Plane {
  return { data: new Float32Array(channels * width * height), channels, width, height };
}

// Below, indices never leave their arrays, and a question at each of millions of steps would cost half the speed.

/** Three by three, every other pixel, from blue, green and red. */
function first(rgba: Uint8ClampedArray, { weights, bias }: Layer): Plane {
  const out = make(bias.length, FRAME.width / 2, FRAME.height / 2);
  const cells = out.width * out.height;
  const seen = new Float32Array(27);
  for (let y = 0; y < out.height; y += 1) {
    for (let x = 0; x < out.width; x += 1) {
      for (let tap = 0; tap < 9; tap += 1) {
        const [px, py] = [2 * x - 1 + (tap % 3), 2 * y - 1 + Math.floor(tap / 3)];
        const inside = px >= 0 && py >= 0 && px < FRAME.width && py < FRAME.height;
        const at = 4 * (py * FRAME.width + px);
        for (let colour = 0; colour < 3; colour += 1) seen[9 * colour + tap] = inside ? rgba[at + 2 - colour]! : 0;
      }
      for (let channel = 0; channel < bias.length; channel += 1) {
        let sum = bias[channel]!;
        for (let at = 0; at < 27; at += 1) sum += weights[27 * channel + at]! * seen[at]!;
        out.data[channel * cells + y * out.width + x] = Math.max(0, sum);
      }
    }
  }
  return out;
}

function pointwise(input: Plane, { weights, bias }: Layer, outputs: number): Plane {
  const out = make(outputs, input.width, input.height);
  const cells = input.width * input.height;
  for (let channel = 0; channel < outputs; channel += 1) {
    const goal = out.data.subarray(channel * cells, (channel + 1) * cells);
    goal.fill(bias[channel]!);
    for (let from = 0; from < input.channels; from += 1) {
      const weight = weights[channel * input.channels + from]!;
      const source = input.data.subarray(from * cells, (from + 1) * cells);
      for (let at = 0; at < cells; at += 1) goal[at]! += weight * source[at]!;
    }
  }
  return out;
}

/** Three by three within each channel. `active`: what is below zero becomes zero. */
function depthwise(input: Plane, { weights, bias }: Layer, active: boolean): Plane {
  const { width, height, channels } = input;
  const out = make(channels, width, height);
  for (let channel = 0; channel < channels; channel += 1) {
    const base = channel * width * height;
    out.data.fill(bias[channel]!, base, base + width * height);
    for (let tap = 0; tap < 9; tap += 1) {
      const [dx, dy] = [(tap % 3) - 1, Math.floor(tap / 3) - 1];
      const weight = weights[9 * channel + tap]!;
      for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y += 1) {
        const row = base + y * width;
        const shift = dy * width + dx;
        const end = row + Math.min(width, width - dx);
        for (let at = row + Math.max(0, -dx); at < end; at += 1) out.data[at]! += weight * input.data[at + shift]!;
      }
    }
  }
  if (active) for (let at = 0; at < out.data.length; at += 1) if (out.data[at]! < 0) out.data[at] = 0;
  return out;
}

/** The largest of each two by two. */
function pool(input: Plane): Plane {
  const out = make(input.channels, input.width / 2, input.height / 2);
  let to = 0;
  for (let channel = 0; channel < input.channels; channel += 1) {
    for (let y = 0; y < out.height; y += 1) {
      let at = channel * input.width * input.height + 2 * y * input.width;
      for (let x = 0; x < out.width; x += 1, at += 2) {
        const { data } = input;
        out.data[to++] = Math.max(data[at]!, data[at + 1]!, data[at + input.width]!, data[at + input.width + 1]!);
      }
    }
  }
  return out;
}

/** Add a plane of half the size, each of its cells four times. */
function addDoubled(plane: Plane, half: Plane): void {
  for (let channel = 0; channel < plane.channels; channel += 1) {
    for (let y = 0; y < plane.height; y += 1) {
      const row = channel * half.width * half.height + (y >> 1) * half.width;
      const goal = channel * plane.width * plane.height + y * plane.width;
      for (let x = 0; x < plane.width; x += 1) plane.data[goal + x]! += half.data[row + (x >> 1)]!;
    }
  }
}
