<?php
// Queries with PDO. The driver is libpq's, so that its variables say where.
$db = new PDO('pgsql:', null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$db->exec('CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)');
$db->beginTransaction();
$insert = $db->prepare('INSERT INTO lakes VALUES (?, ?) ON CONFLICT DO NOTHING');
foreach (['Baikal' => 1642, 'Tanganyika' => 1470, 'Geneva' => 310] as $name => $depth) {
    $insert->execute([$name, $depth]);
}
$db->commit();
$deep = $db->prepare('SELECT name, depth_m FROM lakes WHERE depth_m > ? ORDER BY name');
$deep->execute([1000]);
foreach ($deep as $lake) {
    echo $lake['name'], ' ', $lake['depth_m'], "\n";
}
