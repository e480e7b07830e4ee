<?php

// Receives the events of lernito-openedx, and keeps the newest of each delivery.
//
// Try it with php -S 127.0.0.1:8792 receiver.php, and give the service its address and the secret in
// LERNITO_EVENTS_URL and LERNITO_EVENTS_SECRET. The sandbox has an option: --events http://127.0.0.1:8792/

declare(strict_types=1);

define('SECRET', getenv('LERNITO_EVENTS_SECRET') ?: 'whsec_bGVybml0by1zYW5kYm94LWV2ZW50cy1zZWNyZXQ=');
/** While the operator changes the secret: both, with a space between them. */
define('SECRETS', preg_split('/\s+/', SECRET, flags: PREG_SPLIT_NO_EMPTY));
/** Who sets no more than whsec_ would accept what anybody has signed. */
const KEY_MIN = 24;
define('STATES', getenv('LERNITO_STATES') ?: 'lernito-states');

/** Whether the service signed these bytes within the last five minutes. */
function isValid(string $id, string $timestamp, string $signatures, string $body): bool
{
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > 300) {
        return false;
    }
    foreach (SECRETS as $secret) {
        $key = base64_decode(substr($secret, strlen('whsec_')));
        if (strlen($key) < KEY_MIN) {
            throw new RuntimeException('LERNITO_EVENTS_SECRET must be whsec_ and at least ' . KEY_MIN . ' bytes in base64');
        }
        $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (explode(' ', $signatures) as $signature) {
            if (hash_equals($expected, $signature)) {
                return true;
            }
        }
    }
    return false;
}

/** Keeps an event. false: the shop has it, or a later one of the same delivery. */
function store(array $event): bool
{
    is_dir(STATES) || @mkdir(STATES, 0700, true);
    $file = STATES . "/{$event['data']['id']}.json";
    $lock = fopen(STATES . '/lock', 'c');
    flock($lock, LOCK_EX); // until this function returns
    if (file_exists($file) && json_decode(file_get_contents($file), true)['sequence'] >= $event['sequence']) {
        return false;
    }
    write($file, json_encode($event, JSON_THROW_ON_ERROR));
    return true;
}

function write(string $file, string $text): void
{
    $stream = fopen("$file.new", 'w');
    // PHP only warns of a full disk.
    if (!$stream || fwrite($stream, $text) !== strlen($text) || !fsync($stream) || !rename("$file.new", $file)) {
        throw new RuntimeException("$file can't be written");
    }
}

/** What takes longer: update the order, mail the buyer. Do it from what is stored, to survive a crash. */
function handle(array $event): void
{
    file_put_contents('php://stdout', "{$event['type']} {$event['data']['id']} {$event['data']['state']}\n");
}

http_response_code(500); // until the event is stored: PHP may answer 200 after an error
$header = fn (string $name): string => $_SERVER['HTTP_' . strtoupper(strtr($name, '-', '_'))] ?? '';
$body = file_get_contents('php://input');
if (!isValid($header('webhook-id'), $header('webhook-timestamp'), $header('webhook-signature'), $body)) {
    http_response_code(401);
    exit;
}
$event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
// Other types are about courses and learners, and later versions may add some.
$isNews = str_starts_with($event['type'], 'delivery.') && store($event);
http_response_code(204);
if (function_exists('fastcgi_finish_request')) {
    fastcgi_finish_request(); // sends the answer now
}
if ($isNews) {
    handle($event);
}
