set terminal svg size 720,476 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "main.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "main.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [39.0:61.0]
set xtics ("40" 40.0, "60" 60.0) noenhanced
$line0 << EOD
40.0 42.04 2.014788756301339
60.0 40.56 1.8761045847622453
EOD
$line1 << EOD
40.0 42.04 2.014788756301339
60.0 40.56 1.8761045847622453
EOD
$line2 << EOD
40.0 42.34 0.3354791384926659
60.0 39.22 1.4832558694605797
EOD
$line3 << EOD
40.0 41.839999999999996 1.0072030583544052
60.0 37.64 1.5171691139296217
EOD
$line4 << EOD
40.0 42.44 0.8075590207013712
60.0 38.78 1.27957677083884
EOD
plot $line0 using ($1+(-0.8)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.4)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, batchNorm folded", \
     $line2 using ($1+(0.0)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.4)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.8)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "random"
