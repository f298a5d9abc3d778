/** The few parts of Node that the unit tests use: its own types would change those of the Workers' timers. */
declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
  export const mock: {
    readonly timers: {
      enable(options: { readonly apis: readonly ("setTimeout" | "Date")[]; readonly now?: number }): void;
      tick(milliseconds: number): void;
      reset(): void;
    };
  };
}

declare module "node:assert/strict" {
  type Expected = RegExp | ((error: unknown) => boolean) | (new (...args: never[]) => Error);

  interface Assert {
    ok(value: unknown, message?: string): asserts value;
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown): void;
    deepEqual(actual: unknown, expected: unknown): void;
    match(text: string, pattern: RegExp): void;
    doesNotMatch(text: string, pattern: RegExp): void;
    throws(body: () => unknown, expected: Expected): void;
    rejects(promise: Promise<unknown>, expected: Expected): Promise<void>;
  }

  const assert: Assert;
  export default assert;
}

declare const process: {
  on(event: "unhandledRejection" | "warning", listener: (reason: unknown) => void): void;
  off(event: "unhandledRejection" | "warning", listener: (reason: unknown) => void): void;
};

declare module "node:fs" {
  export function readFileSync(path: URL, encoding: "utf8"): string;
}

interface ImportMeta {
  readonly url: string;
}
