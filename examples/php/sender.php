<?php

// Sends a shop's sales and refunds to lernito-openedx, and asks for their results.

declare(strict_types=1);

const USAGE = <<<'TEXT'
    php sender.php sell   ORDER EMAIL NAME FAMILY COURSE...   sell courses to a buyer
    php sender.php refund ORDER EMAIL NAME FAMILY COURSE...   take the buyer out of them
    php sender.php resume                                     send what is in the queue
    php sender.php status DELIVERY...                         print the state of sales

    ORDER is the shop's number of the order. The same command again is a repeat, which
    does no harm. A corrected sale is another one, so it needs another number. A refund
    of other courses of the order is another refund.

    TEXT;

define('SERVICE', rtrim(getenv('LERNITO_URL') ?: 'http://127.0.0.1:8790', '/'));
define('SECRET', getenv('LERNITO_WEBHOOK_SECRET') ?: 'lernito-sandbox-secret');
define('QUEUE', getenv('LERNITO_QUEUE') ?: 'lernito-queue');

const SALE_PATH = '/api/lernito/webhook/';
const REFUND_PATH = '/api/lernito/refund/';
const STATUS_PATH = '/api/lernito/status/';

/** Nobody knows whether a request with one of these answers was stored, unless it is accepted. */
const SEND_AGAIN = [0, 200, 202, 408, 429];

/** Seconds between the attempts, unless the answer has a Retry-After: about a day in all. */
function waits(): array
{
    return [30, 120, 600, ...array_fill(0, 23, 3600)];
}

// #region sign
function sign(string $secret, string $id, int $timestamp, string $body): string
{
    $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6)) : $secret;
    return 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
}
// #endregion

/** Signs a request with the time of now, and sends it once. Without an answer, the status is 0. */
function post(string $path, string $id, string $body): array
{
    $now = time();
    $http = [
        'method' => 'POST',
        'header' => [
            'Content-Type: application/json',
            "webhook-id: $id",
            "webhook-timestamp: $now",
            'webhook-signature: ' . sign(SECRET, $id, $now, $body),
        ],
        'content' => $body,
        'timeout' => 15,
        'ignore_errors' => true, // read the body of every status
        'follow_location' => 0,
    ];
    $problems = []; // the first one has the cause
    set_error_handler(function (int $_, string $problem) use (&$problems): bool {
        $problems[] = strtr($problem, "\n", ' ');
        return true;
    });
    $stream = fopen(SERVICE . $path, 'r', false, stream_context_create(['http' => $http]));
    restore_error_handler();
    if ($stream === false) {
        return ['status' => 0, 'headers' => [], 'text' => implode('; ', $problems)];
    }
    $lines = stream_get_meta_data($stream)['wrapper_data'];
    $headers = [];
    foreach (array_slice($lines, 1) as $line) {
        [$name, $value] = explode(':', $line, 2) + [1 => ''];
        $headers[strtolower($name)] = trim($value);
    }
    return ['status' => (int) explode(' ', $lines[0])[1], 'headers' => $headers, 'text' => stream_get_contents($stream)];
}

/** Sends a request of the queue until the service has it. false: a person has to look at it. */
function deliver(string $file): bool
{
    $job = @file_get_contents($file);
    if ($job === false) {
        return true; // another process has delivered it
    }
    ['id' => $id, 'path' => $path, 'body' => $body] = json_decode($job, true);
    foreach ([...waits(), null] as $wait) {
        ['status' => $status, 'headers' => $headers, 'text' => $text] = post($path, $id, $body);
        $delivery = $headers['x-lernito-delivery'] ?? null; // store it with the order
        echo "$id: $status $text delivery=$delivery\n";
        $success = successIn($text);
        if (isAccepted($path, $status, $delivery, $success)) {
            @unlink($file);
            return true;
        }
        if ($wait === null || !isUnknown($status, $delivery, $success)) {
            break;
        }
        $retryAfter = $headers['retry-after'] ?? '';
        $seconds = ctype_digit($retryAfter) ? min((int) $retryAfter, 3600) : $wait;
        echo "$id is sent again in $seconds seconds\n";
        sleep($seconds);
    }
    fwrite(STDERR, "$id stays in the queue: tell a person\n");
    return false;
}

/** What the service says. The page of a proxy says nothing. */
function successIn(string $text): mixed
{
    return json_decode($text, true)['success'] ?? null;
}

/** After a 500 with a delivery, the sale is stored, and the service enrolls the buyer later. A refund needs a 200. */
function isAccepted(string $path, int $status, ?string $delivery, mixed $success): bool
{
    $isOfService = $delivery !== null || ($success === true && $status !== 500);
    return $isOfService && ($status === 200 || ($path === SALE_PATH && ($status === 202 || $status === 500)));
}

/** Without a delivery, a 500 may be of a proxy, as a 403 without the service's JSON is. */
function isUnknown(int $status, ?string $delivery, mixed $success): bool
{
    return match ($status) {
        403 => $success !== false,
        500 => $delivery === null,
        default => $status > 500 || in_array($status, SEND_AGAIN, true),
    };
}

/** Stores a request before it is sent, so that every repeat has the same id and the same bytes. */
function enqueue(string $path, string $id, array $payload): string
{
    if (!preg_match('/^[A-Za-z0-9_-]{1,200}$/D', $id)) {
        throw new InvalidArgumentException('ORDER may have letters, digits, - and _');
    }
    $file = QUEUE . "/$id.json";
    $body = json_encode($payload, JSON_THROW_ON_ERROR);
    $job = json_encode(['id' => $id, 'path' => $path, 'body' => $body], JSON_THROW_ON_ERROR);
    $queued = @file_get_contents($file);
    if ($queued === $job) {
        return $file;
    }
    // A refund that stays in the queue with a wrong body was not accepted, so the corrected one takes its place.
    if ($queued !== false && $path === SALE_PATH) {
        throw new InvalidArgumentException(
            "$id is in the queue with another body: use another number, and remove $file if it is wrong"
        );
    }
    is_dir(QUEUE) || mkdir(QUEUE, 0700, true);
    $stream = fopen("$file.new", 'w');
    // PHP only warns of a full disk.
    if (!$stream || fwrite($stream, $job) !== strlen($job) || !fsync($stream) || !rename("$file.new", $file)) {
        throw new RuntimeException("$file can't be written");
    }
    return $file;
}

/** The oldest first, so that a refund follows its sale. */
function resume(): bool
{
    $files = glob(QUEUE . '/*.json');
    usort($files, fn (string $a, string $b): int => filemtime($a) <=> filemtime($b));
    $isDone = true;
    foreach ($files as $file) {
        $isDone = deliver($file) && $isDone;
    }
    return $isDone;
}

function status(array $deliveries): bool
{
    $body = json_encode(['deliveries' => $deliveries], JSON_THROW_ON_ERROR);
    ['status' => $status, 'text' => $text] = post(STATUS_PATH, 'status-' . bin2hex(random_bytes(16)), $body);
    echo "$text\n";
    return $status === 200;
}

function main(array $arguments): bool
{
    $command = array_shift($arguments);
    if ($command === 'resume' && $arguments === []) {
        return resume();
    }
    if ($command === 'status' && $arguments !== []) {
        return status($arguments);
    }
    if (!in_array($command, ['sell', 'refund'], true) || count($arguments) < 5) {
        throw new InvalidArgumentException(USAGE);
    }
    [$order, $email, $name, $family] = $arguments;
    $payload = [
        'email' => $email,
        'name' => $name,
        'family' => $family,
        'username' => explode('@', $email)[0],
        'courseIds' => array_slice($arguments, 4),
        'order' => $order, // so that two orders of the same courses are two sales
    ];
    if ($command === 'sell') {
        return deliver(enqueue(SALE_PATH, "order-$order", $payload));
    }
    $part = substr(hash('sha256', implode(' ', $payload['courseIds'])), 0, 8);
    return deliver(enqueue(REFUND_PATH, "refund-$order-$part", $payload + ['sale' => "order-$order"]));
}

try {
    exit(main(array_slice($argv, 1)) ? 0 : 1);
} catch (InvalidArgumentException | JsonException | RuntimeException $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
