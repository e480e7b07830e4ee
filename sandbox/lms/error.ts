type SandboxErrorCode = 'sandbox.not_loopback' | 'sandbox.world_invalid' | 'address.in_use'

/** What is wrong with the world or the address that the sandbox was given. `message` says what to do about it. */
export class SandboxError extends Error {
  readonly code: SandboxErrorCode
  constructor(code: SandboxErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SandboxError'
    this.code = code
  }
}
