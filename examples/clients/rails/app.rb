# Migrates and queries with Active Record. A Rails application needs no more than
# DATABASE_URL, which takes precedence over config/database.yml.
require "logger"
require "active_record"

ActiveRecord::Base.establish_connection("#{ENV.fetch("DATABASE_URL")}&pool=2")
ActiveRecord::Migration.verbose = false
ActiveRecord::Migrator.migrations_paths = ["migrate"]

class Lake < ActiveRecord::Base
end

pool = ActiveRecord::Base.connection_pool
(pool.respond_to?(:migration_context) ? pool : ActiveRecord::Base.connection).migration_context.migrate # under an advisory lock
Lake.transaction do
  { "Baikal" => 1642, "Tanganyika" => 1470, "Geneva" => 310 }.each do |name, depth|
    Lake.find_or_create_by!(name: name) { |lake| lake.depth_m = depth }
  end
end
Lake.where("depth_m > ?", 1000).order(:name).each { |lake| puts "#{lake.name} #{lake.depth_m}" }
