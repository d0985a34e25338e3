class AddIndex < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :visits, :at, algorithm: :concurrently
    add_column :places, :height, :integer, default: 0
  end
end
