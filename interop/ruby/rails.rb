# Connects as Rails does, migrates, works by models while the schema changes, and migrates
# back, by libpq's environment. Prints what it saw, in lines that are the same wherever it
# runs.
require "logger"
require "active_record"

ActiveRecord::Base.establish_connection(
  adapter: "postgresql", database: ENV["PGDATABASE"], pool: 3,
  variables: { statement_timeout: "30s", default_transaction_isolation: "repeatable read" }
)
ActiveRecord::Migration.verbose = false # it shows how long each step took
ActiveRecord::Migrator.migrations_paths = [File.join(__dir__, "migrate")]

def connection = ActiveRecord::Base.connection

def migrations
  pool = ActiveRecord::Base.connection_pool
  (pool.respond_to?(:migration_context) ? pool : connection).migration_context
end

def shown(name) = puts("#{name}: #{connection.select_value("show #{name}")}")

class Place < ActiveRecord::Base
  has_many :visits
end

class Visit < ActiveRecord::Base
  belongs_to :place
end

migrations.migrate # under an advisory lock
puts ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.respond_to?(:with_connection) ? ActiveRecord::Base.connection_pool : connection, StringIO.new).string
%w[statement_timeout default_transaction_isolation TimeZone client_min_messages standard_conforming_strings].each { |name| shown(name) }

20.times { |n| Place.create!(name: "zürich #{n}", more: { n: n }, tags: ["a", n.to_s]) }
Place.find_each(batch_size: 7) { |place| 3.times { |n| place.visits.create!(at: Time.utc(2026, 1, 1) + place.id * 3600 + n) } }
begin
  Place.transaction do
    Place.first.update!(name: "lost")
    Place.create!(name: "zürich 2")
  end
rescue ActiveRecord::RecordNotUnique => e
  puts e.message
end
Place.transaction do
  Place.lock.find_by(name: "zürich 3").update!(more: { n: "kept" })
  begin
    Place.transaction(requires_new: true) { Place.create!(name: "zürich 4") }
  rescue ActiveRecord::RecordNotUnique => e
    puts e.message
  end
end
puts Place.order(:id).map { |p| [p.id, p.name, p.more, p.tags, p.visits.count, p.visits.maximum(:at)].inspect }

# Another process changes the columns: what is prepared is prepared again, unseen.
other = PG.connect
4.times do |n|
  other.exec("alter table places " + (n.even? ? "add column odd text default 'odd'" : "drop column odd"))
  3.times { puts Place.find(3).attributes.except("created_at", "updated_at").inspect }
  puts Place.where(name: "zürich 5").pluck(:id, :height).inspect
end
puts Place.find(1).attributes["name"]
threads = Array.new(3) { |n| Thread.new { ActiveRecord::Base.connection_pool.with_connection { (1..20).map { |id| Place.find((id + n) % 20 + 1).more["n"] } } } }
puts threads.map { |t| t.value.inspect }
begin
  Place.transaction { connection.execute("select 1/0") }
rescue ActiveRecord::StatementInvalid => e
  puts e.message
end
migrations.migrate(0)
puts connection.tables.sort.inspect
