class CreateLakes < ActiveRecord::Migration[6.1]
  def change
    create_table :lakes do |t|
      t.string :name, null: false, index: { unique: true }
      t.integer :depth_m, null: false
    end
  end
end
