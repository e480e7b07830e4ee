import { z } from 'zod'
import { operator, withOperations } from '../../../src/cli/operations.ts'

/** Corrects a delivery as an operator does, in a process beside the replicas. Its arguments are the id and the changes as JSON. */
const changesSchema = z.object({ email: z.string().optional(), courseIds: z.array(z.string()).optional() })
const [id = '', changes = '{}'] = process.argv.slice(2)
const correction = { id, ...changesSchema.parse(JSON.parse(changes)), withdraw: null, by: operator() }
const result = await withOperations(({ operations }) => operations.correct(correction))
if (result.kind !== 'corrected') throw new Error(`nothing was corrected: ${JSON.stringify(result)}`)
