class CreatePlaces < ActiveRecord::Migration[6.1]
  def change
    create_table :places do |t|
      t.string :name, null: false, index: { unique: true }
      t.jsonb :more, default: {}
      t.string :tags, array: true
      t.timestamps
    end
    create_table :visits do |t|
      t.references :place, foreign_key: true
      t.datetime :at
    end
  end
end
